DELETE FROM run_tags WHERE run IN (SELECT number FROM tracked_runs WHERE pipeline_run = ?1)
