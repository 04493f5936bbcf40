UPDATE logged_models SET status = ?2, updated_at_ms = ?3 WHERE number = ?1
