SELECT number FROM runs WHERE pipeline = ?3 AND status = ?4 AND number < ?1 ORDER BY number DESC LIMIT ?2
