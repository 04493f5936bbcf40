SELECT models.name, version_records.model, version_records.version, version_records.source, version_records.run_id,
       version_records.run_link, version_records.logged_model, version_records.description, version_records.user_name,
       version_records.stage, version_records.created_at_us, version_records.updated_at_us
FROM version_records JOIN models ON models.id = version_records.model
WHERE version_records.model = ?1 AND version_records.is_deleted = 0 AND version_records.version = (
  SELECT max(other.version) FROM version_records AS other
  WHERE other.model = ?1 AND other.stage = version_records.stage AND other.is_deleted = 0)
ORDER BY version_records.version
