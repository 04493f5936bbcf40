SELECT version FROM model_versions WHERE model = ?1 AND content = ?2
