UPDATE models SET name = ?2, updated_at_us = ?3 WHERE id = ?1
