SELECT id FROM models WHERE name = ?1 AND is_deleted = 0
