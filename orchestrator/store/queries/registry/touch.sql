UPDATE models SET updated_at_us = ?2 WHERE id = ?1
