SELECT id, ended_at_us FROM runs WHERE pipeline = ?1 AND ended_at_us >= ?2 ORDER BY ended_at_us, number
