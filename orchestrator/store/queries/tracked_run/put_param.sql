INSERT INTO run_params (run, key, value) VALUES (?1, ?2, ?3)
