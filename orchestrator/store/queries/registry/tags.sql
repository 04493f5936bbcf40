SELECT key, value FROM model_tags WHERE model = ?1 ORDER BY key
