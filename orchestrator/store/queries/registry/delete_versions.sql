UPDATE version_records SET is_deleted = 1, updated_at_us = ?2 WHERE model = ?1
