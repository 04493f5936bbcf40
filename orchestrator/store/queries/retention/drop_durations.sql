DELETE FROM run_durations WHERE run = ?1
