UPDATE logged_models SET is_deleted = ?2, updated_at_ms = ?3 WHERE number = ?1
