UPDATE version_records SET is_deleted = 1, updated_at_us = ?3 WHERE model = ?1 AND version = ?2
