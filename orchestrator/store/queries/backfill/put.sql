INSERT INTO backfills (id, pipeline, trigger, environment, phase, version, forgiven, body, created_at_us, created_by, reason, request_key, request)
VALUES (?1, ?2, ?3, ?4, 'running', 1, 0, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING RETURNING number
