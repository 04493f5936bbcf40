DELETE FROM run_definitions WHERE run = ?1
