DELETE FROM leases
WHERE expires_at_us <= ?1
  AND EXISTS (SELECT 1 FROM runs WHERE runs.number = leases.run AND runs.ended_at_us IS NOT NULL)
