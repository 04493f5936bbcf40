DELETE FROM tracked_runs WHERE pipeline_run = ?1
