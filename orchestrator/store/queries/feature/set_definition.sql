UPDATE feature_view_versions SET definition = ?3, changed_at_us = ?4 WHERE view = ?1 AND version = ?2
