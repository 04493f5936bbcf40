SELECT id FROM (
  SELECT runs.id AS id, queue.priority AS priority, queue.run AS number
  FROM queue JOIN runs ON runs.number = queue.run
  WHERE (runs.ended_at_us IS NULL OR EXISTS (SELECT 1 FROM requests WHERE requests.run = queue.run))
    AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.run = queue.run AND leases.expires_at_us > ?1)
    AND NOT (runs.status = 'queued'
             AND EXISTS (SELECT 1 FROM paused_pipelines WHERE paused_pipelines.pipeline = runs.pipeline))
    AND (runs.status = 'running' OR queue.options LIKE '{"admitted":true%')
  UNION ALL
  SELECT runs.id, 50, runs.number
  FROM leases JOIN runs ON runs.number = leases.run
  WHERE leases.expires_at_us <= ?1 AND runs.ended_at_us IS NULL
    AND NOT EXISTS (SELECT 1 FROM queue WHERE queue.run = leases.run)
) AS free
ORDER BY priority DESC, number
LIMIT ?2
