-- `admitted` stands first in the options that have it.
SELECT runs.id, runs.number, queue.priority, queue.options, runs.created_at_us, runs.status,
       CAST(CASE WHEN EXISTS (SELECT 1 FROM requests WHERE requests.run = queue.run) THEN 1 ELSE 0 END AS bigint) AS asked
FROM queue JOIN runs ON runs.number = queue.run
WHERE (runs.status = 'queued' OR (runs.ended_at_us IS NOT NULL
       AND EXISTS (SELECT 1 FROM requests WHERE requests.run = queue.run)))
  AND queue.options NOT LIKE '{"admitted":true%'
  AND NOT (runs.status = 'queued'
           AND EXISTS (SELECT 1 FROM paused_pipelines WHERE paused_pipelines.pipeline = runs.pipeline))
ORDER BY queue.run
