INSERT INTO saved_plans (id, pipeline, made_at_us, body) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (id) DO UPDATE SET made_at_us = excluded.made_at_us, body = excluded.body
