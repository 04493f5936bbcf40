SELECT file, hash, sources, current_us FROM pipeline_versions WHERE pipeline = ?1 AND hash = ?2
