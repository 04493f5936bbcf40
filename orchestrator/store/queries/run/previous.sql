SELECT id FROM runs WHERE pipeline = ?1 AND environment IS ?2 AND status <> 'queued'
ORDER BY number DESC LIMIT 1
