SELECT pipeline, at_us, by, reason FROM paused_pipelines ORDER BY pipeline
