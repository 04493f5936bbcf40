DELETE FROM run_datasets WHERE run IN (SELECT number FROM tracked_runs WHERE pipeline_run = ?1)
