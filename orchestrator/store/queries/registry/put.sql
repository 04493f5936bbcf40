INSERT INTO models (name, created_at_us, updated_at_us, description) VALUES (?1, ?2, ?2, ?3) RETURNING id
