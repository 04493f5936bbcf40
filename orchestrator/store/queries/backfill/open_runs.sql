SELECT runs.id FROM backfill_ticks JOIN runs ON runs.id = run
WHERE backfill = ?1 AND coalesce(outcome, '') <> 'there' AND runs.status IN ('queued', 'running') ORDER BY at_us
