DELETE FROM paused_pipelines WHERE pipeline = ?1
