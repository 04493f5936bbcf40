INSERT INTO models (name, created_at_us, updated_at_us) VALUES (?1, ?2, ?2)
ON CONFLICT (name) DO UPDATE SET updated_at_us = excluded.updated_at_us, is_deleted = 0
RETURNING id
