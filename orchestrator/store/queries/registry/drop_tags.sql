DELETE FROM model_tags WHERE model = ?1
