SELECT value FROM run_params WHERE run = ?1 AND key = ?2
