INSERT INTO feature_views (name, created_at_us) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING id
