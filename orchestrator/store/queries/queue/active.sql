-- Runs that count against limits: those that engines have, are about to have or will take up again, and
-- those that somebody drives in a process of their own.
SELECT runs.id, runs.number, queue.options, runs.created_at_us
FROM runs LEFT JOIN queue ON queue.run = runs.number
WHERE runs.status IN ('queued', 'running')
  AND (queue.options LIKE '{"admitted":true%' OR (runs.status = 'running' AND queue.run IS NOT NULL)
       OR (queue.run IS NULL AND EXISTS (SELECT 1 FROM leases
                                         WHERE leases.run = runs.number AND leases.expires_at_us > ?1)))
UNION ALL
SELECT runs.id, runs.number, queue.options, runs.created_at_us
FROM queue JOIN runs ON runs.number = queue.run
WHERE runs.ended_at_us IS NOT NULL AND queue.options LIKE '{"admitted":true%'
  AND EXISTS (SELECT 1 FROM requests WHERE requests.run = queue.run)
