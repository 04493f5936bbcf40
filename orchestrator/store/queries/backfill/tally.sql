SELECT CASE WHEN outcome IN ('there', 'refused') THEN outcome WHEN run IS NULL THEN 'waiting'
         ELSE coalesce(runs.status, outcome, 'cancelled') END AS state, count(*)
FROM backfill_ticks LEFT JOIN runs ON runs.id = run WHERE backfill = ?1 GROUP BY 1
