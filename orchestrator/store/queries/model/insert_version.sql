INSERT INTO model_versions (model, version, content, run, instance, draft, created_at_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
