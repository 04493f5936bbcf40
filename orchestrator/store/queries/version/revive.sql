UPDATE version_records SET is_deleted = 0 WHERE model = ?1 AND version = ?2 AND is_deleted = 1
