SELECT value FROM logged_model_params WHERE model = ?1 AND key = ?2
