DELETE FROM results WHERE key = ?1 AND event > ?2 AND event <= ?3
