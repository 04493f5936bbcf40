SELECT key, value FROM logged_model_params WHERE model = ?1 ORDER BY key
