INSERT INTO paused_pipelines (pipeline, at_us, by, reason) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (pipeline) DO NOTHING
