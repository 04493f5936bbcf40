SELECT position, run, id FROM removed_runs WHERE rest = 1 ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED
