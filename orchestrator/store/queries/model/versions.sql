SELECT model_versions.version, runs.id, model_versions.instance, model_versions.draft,
       model_versions.created_at_us
FROM model_versions JOIN runs ON runs.number = model_versions.run
WHERE model_versions.model = ?1 AND model_versions.version BETWEEN ?2 AND ?3
ORDER BY model_versions.version DESC
