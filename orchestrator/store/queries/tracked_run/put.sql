INSERT INTO tracked_runs (id, experiment, name, user_name, status, started_at_ms, ended_at_ms, location, pipeline_run)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING number
