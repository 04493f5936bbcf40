SELECT id FROM models WHERE name = ?1
