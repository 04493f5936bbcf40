SELECT runs.id, runs.status
FROM firings JOIN runs ON runs.number = firings.run
WHERE firings.pipeline = ?1 AND firings.trigger = ?2 AND firings.due_us = ?3 AND firings.run IS NOT NULL
  AND runs.environment IS NOT DISTINCT FROM ?4
UNION ALL
SELECT backfill_ticks.run, coalesce(runs.status, outcome)
FROM backfills JOIN backfill_ticks ON backfill = backfills.number LEFT JOIN runs ON runs.id = run
WHERE backfills.pipeline = ?1 AND backfills.trigger = ?2 AND backfill_ticks.at_us = ?3 AND run IS NOT NULL
  AND backfills.environment IS NOT DISTINCT FROM ?4
