SELECT coalesce(max(model_versions.version), 0)
FROM model_versions JOIN version_records ON version_records.model = model_versions.model AND version_records.version = model_versions.version
WHERE model_versions.model = ?1 AND version_records.is_deleted = 0
