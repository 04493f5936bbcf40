SELECT value FROM run_tags WHERE run = ?1 AND key = ?2
