SELECT count(*), coalesce(CAST(avg(runs.ended_at_us - runs.started_at_us) AS bigint), 0)
FROM backfill_ticks JOIN runs ON runs.id = run
WHERE backfill = ?1 AND coalesce(outcome, '') <> 'there' AND runs.ended_at_us IS NOT NULL AND runs.started_at_us IS NOT NULL
