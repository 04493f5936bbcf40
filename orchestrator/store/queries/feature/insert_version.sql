INSERT INTO feature_view_versions (view, version, definition, run, instance, revision, created_at_us, changed_at_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
