-- Ended before ?1, oldest first, from where the last look ended; not the newest of its pipeline and environment,
-- nor the newest that succeeded there, nor one that something needs.
SELECT runs.number, runs.ended_at_us FROM runs
WHERE runs.ended_at_us < ?1 AND runs.ended_at_us >= ?3 AND (runs.ended_at_us > ?3 OR runs.number > ?4)
  AND EXISTS (SELECT 1 FROM runs AS newer
              WHERE newer.pipeline = runs.pipeline AND newer.environment IS NOT DISTINCT FROM runs.environment
                AND newer.ended_at_us IS NOT NULL AND newer.number > runs.number LIMIT 1 OFFSET ?2)
  AND (runs.status <> 'succeeded'
       OR EXISTS (SELECT 1 FROM runs AS newer
                  WHERE newer.pipeline = runs.pipeline AND newer.status = 'succeeded'
                    AND newer.environment IS NOT DISTINCT FROM runs.environment AND newer.number > runs.number))
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
ORDER BY runs.ended_at_us, runs.number LIMIT ?5
