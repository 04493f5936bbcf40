INSERT INTO version_tags (model, version, key, value) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (model, version, key) DO UPDATE SET value = excluded.value
