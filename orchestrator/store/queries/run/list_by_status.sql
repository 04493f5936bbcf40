SELECT number FROM runs WHERE status = ?3 AND number < ?1 ORDER BY number DESC LIMIT ?2
