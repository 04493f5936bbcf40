DELETE FROM run_logged_models WHERE run IN (SELECT number FROM tracked_runs WHERE pipeline_run = ?1)
