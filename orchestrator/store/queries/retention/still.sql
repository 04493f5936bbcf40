SELECT id FROM runs
WHERE number = ?1 AND ended_at_us < ?2
  AND NOT EXISTS (SELECT 1 FROM model_versions WHERE model_versions.run = runs.number)
  AND NOT EXISTS (SELECT 1 FROM registrations WHERE registrations.run = runs.number)
  AND NOT EXISTS (SELECT 1 FROM feature_snapshots AS made
                  WHERE made.run = runs.id
                    AND NOT EXISTS (SELECT 1 FROM feature_snapshots AS later
                                    WHERE later.view = made.view AND later.version = made.version
                                      AND later.sequence > made.sequence))
  AND NOT EXISTS (SELECT 1 FROM requests WHERE requests.run = runs.number)
  AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.run = runs.number)
  AND NOT EXISTS (SELECT 1 FROM reuses WHERE reuses.source = runs.number AND reuses.run <> runs.number)
