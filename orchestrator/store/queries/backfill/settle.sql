UPDATE backfill_ticks SET outcome = (SELECT status FROM runs WHERE runs.id = backfill_ticks.run)
WHERE backfill = ?1 AND run IS NOT NULL AND coalesce(outcome, '') <> 'there'
  AND EXISTS (SELECT 1 FROM runs WHERE runs.id = backfill_ticks.run AND runs.status IN ('succeeded', 'failed', 'cancelled')
    AND runs.status IS DISTINCT FROM backfill_ticks.outcome)
