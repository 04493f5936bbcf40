SELECT DISTINCT pipeline FROM pipeline_versions ORDER BY pipeline
