UPDATE version_records SET stage = ?3, updated_at_us = ?4 WHERE model = ?1 AND version = ?2
