DELETE FROM run_metrics WHERE run IN (SELECT number FROM tracked_runs WHERE pipeline_run = ?1)
