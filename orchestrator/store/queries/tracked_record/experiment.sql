INSERT INTO experiments (name, location, created_at_ms, updated_at_ms) VALUES (?1, '', ?2, ?2) ON CONFLICT (name) DO NOTHING
