INSERT INTO run_metrics (run, key, at_ms, step, value, is_nan)
SELECT number, CAST(?2 AS text), CAST(?3 AS bigint), CAST(?4 AS bigint), CAST(?5 AS double precision), CAST(?6 AS bigint)
FROM tracked_runs WHERE id = ?1
ON CONFLICT DO NOTHING
