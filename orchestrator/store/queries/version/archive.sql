UPDATE version_records SET stage = 'Archived', updated_at_us = ?4
WHERE model = ?1 AND version <> ?2 AND stage = ?3 AND is_deleted = 0
