UPDATE models SET is_deleted = 1, updated_at_us = ?2 WHERE id = ?1
