SELECT file, hash, sources, current_us FROM pipeline_versions WHERE pipeline = ?1 ORDER BY current_us DESC LIMIT 1
