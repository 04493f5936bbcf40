SELECT coalesce(max(version), 0) FROM version_records WHERE model = ?1 AND is_deleted = 0
