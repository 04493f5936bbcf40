UPDATE tracked_runs SET status = 'KILLED', ended_at_ms = ?3 WHERE pipeline_run = ?1 AND id <> ?2 AND status = 'RUNNING'
