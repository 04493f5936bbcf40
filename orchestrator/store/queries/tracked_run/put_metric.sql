INSERT INTO run_metrics (run, key, at_ms, step, value, is_nan) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING
