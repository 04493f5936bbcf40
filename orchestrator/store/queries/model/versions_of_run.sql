SELECT models.name, model_versions.version FROM model_versions JOIN models ON models.id = model_versions.model
WHERE model_versions.run = ?1 ORDER BY models.name, model_versions.version
