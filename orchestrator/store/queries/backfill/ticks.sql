SELECT at_us, body, run, state, reason FROM (
  SELECT at_us, body, run, backfill_ticks.reason AS reason,
         CASE WHEN outcome IN ('there', 'refused') THEN outcome WHEN run IS NULL THEN 'waiting'
           ELSE coalesce(runs.status, outcome, 'cancelled') END AS state
  FROM backfill_ticks LEFT JOIN runs ON runs.id = run WHERE backfill = ?1 AND at_us > ?2
) AS listed WHERE state = coalesce(?4, state) ORDER BY at_us LIMIT ?3
