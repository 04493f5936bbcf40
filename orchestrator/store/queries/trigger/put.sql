INSERT INTO trigger_states (pipeline, trigger, body) VALUES (?1, ?2, ?3)
ON CONFLICT (pipeline, trigger) DO UPDATE SET body = excluded.body
