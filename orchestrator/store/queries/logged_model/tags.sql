SELECT key, value FROM logged_model_tags WHERE model = ?1 ORDER BY key
