SELECT id, name, location, created_at_ms, updated_at_ms, is_deleted FROM experiments WHERE id = ?1
