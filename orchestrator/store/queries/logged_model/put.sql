INSERT INTO logged_models (id, experiment, name, kind, status, source_run, location, created_at_ms, updated_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8) RETURNING number
