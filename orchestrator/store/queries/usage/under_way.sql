SELECT count(*) FROM runs WHERE pipeline = ?1 AND environment IS NOT DISTINCT FROM ?2
  AND status IN ('queued', 'running')
