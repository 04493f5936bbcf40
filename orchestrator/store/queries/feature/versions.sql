-- Newest first.
SELECT version, definition, run, instance, revision, created_at_us, changed_at_us
FROM feature_view_versions WHERE view = ?1 AND version BETWEEN ?2 AND ?3 ORDER BY version DESC LIMIT ?4
