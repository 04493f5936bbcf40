SELECT coalesce(max(version), 0) FROM model_versions WHERE model = ?1
