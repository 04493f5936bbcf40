INSERT INTO runs (id, pipeline, environment, status, created_at_us, created_by, reason, instances)
VALUES (?1, ?2, ?3, 'queued', ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING RETURNING number
