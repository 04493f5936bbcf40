SELECT models.name, version_records.model, version_records.version, version_records.source, version_records.run_id,
       version_records.run_link, version_records.logged_model, version_records.description, version_records.user_name,
       version_records.stage, version_records.created_at_us, version_records.updated_at_us
FROM version_records JOIN models ON models.id = version_records.model
WHERE models.name = ?1 AND version_records.version = ?2 AND version_records.is_deleted = 0 AND models.is_deleted = 0
