SELECT id, is_deleted FROM models WHERE name = ?1
