UPDATE models SET is_deleted = 0, created_at_us = ?2, updated_at_us = ?2, description = ?3 WHERE id = ?1
