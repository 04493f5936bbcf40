INSERT INTO model_tags (model, key, value) VALUES (?1, ?2, ?3) ON CONFLICT (model, key) DO UPDATE SET value = excluded.value
