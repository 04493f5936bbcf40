SELECT id FROM runs WHERE pipeline = ?1 AND environment IS NOT DISTINCT FROM ?2 AND status <> 'queued'
ORDER BY number DESC LIMIT 1
