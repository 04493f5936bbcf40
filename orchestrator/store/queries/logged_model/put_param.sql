INSERT INTO logged_model_params (model, key, value) VALUES (?1, ?2, ?3)
