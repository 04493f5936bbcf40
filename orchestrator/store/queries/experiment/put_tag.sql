INSERT INTO experiment_tags (experiment, key, value) VALUES (?1, ?2, ?3)
ON CONFLICT (experiment, key) DO UPDATE SET value = excluded.value
