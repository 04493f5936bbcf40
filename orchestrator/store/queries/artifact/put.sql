INSERT INTO artifacts (hash, event, output) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING
