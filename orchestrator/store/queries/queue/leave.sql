DELETE FROM queue
WHERE run = ?1
  AND NOT EXISTS (SELECT 1 FROM requests WHERE requests.run = queue.run)
  AND EXISTS (SELECT 1 FROM runs WHERE runs.number = queue.run AND runs.ended_at_us IS NOT NULL)
