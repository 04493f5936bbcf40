SELECT runs.id, leases.epoch, leases.host, leases.boot, leases.pid, leases.process_start, leases.engine,
       leases.expires_at_us
FROM leases JOIN runs ON runs.number = leases.run
WHERE leases.expires_at_us > ?1 AND leases.host = ?2 AND leases.boot = ?3
  AND (runs.ended_at_us IS NULL OR EXISTS (SELECT 1 FROM requests WHERE requests.run = runs.number))
ORDER BY runs.number
