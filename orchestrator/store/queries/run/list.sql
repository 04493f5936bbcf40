SELECT number FROM runs WHERE number < ?1 ORDER BY number DESC LIMIT ?2
