INSERT INTO run_logged_models (run, is_output, model, step) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING
