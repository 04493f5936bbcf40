SELECT id FROM runs
WHERE number = ?1 AND ended_at_us < ?2
  AND NOT EXISTS (SELECT 1 FROM model_versions WHERE model_versions.run = runs.number)
  AND NOT EXISTS (SELECT 1 FROM registrations WHERE registrations.run = runs.number)
  AND NOT EXISTS (SELECT 1 FROM requests WHERE requests.run = runs.number)
  AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.run = runs.number)
  AND NOT EXISTS (SELECT 1 FROM reuses WHERE reuses.source = runs.number AND reuses.run <> runs.number)
