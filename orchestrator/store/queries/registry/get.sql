SELECT id, name, created_at_us, updated_at_us, description FROM models WHERE name = ?1 AND is_deleted = 0
