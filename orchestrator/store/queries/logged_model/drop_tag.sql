DELETE FROM logged_model_tags WHERE model = ?1 AND key = ?2
