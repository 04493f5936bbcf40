SELECT model_versions.version, runs.id, model_versions.instance, model_versions.draft,
       model_versions.created_at_us
FROM model_versions JOIN runs ON runs.number = model_versions.run
JOIN version_records ON version_records.model = model_versions.model AND version_records.version = model_versions.version
WHERE model_versions.model = ?1 AND model_versions.version BETWEEN ?2 AND ?3 AND version_records.is_deleted = 0
ORDER BY model_versions.version DESC
