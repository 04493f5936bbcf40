INSERT INTO notices (event, kind, subject, pipeline, channel, body, state, made_us, due_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'waiting', ?7, 0) ON CONFLICT DO NOTHING
