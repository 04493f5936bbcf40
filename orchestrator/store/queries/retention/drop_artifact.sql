DELETE FROM artifacts WHERE hash = ?1 AND event > ?2 AND event <= ?3
