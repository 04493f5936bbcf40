INSERT INTO run_latest_metrics (run, key, value, is_nan, at_ms, step)
SELECT number, CAST(?2 AS text), CAST(?3 AS double precision), CAST(?4 AS bigint), CAST(?5 AS bigint), CAST(?6 AS bigint)
FROM tracked_runs WHERE id = ?1
ON CONFLICT (run, key) DO UPDATE
SET value = excluded.value, is_nan = excluded.is_nan, at_ms = excluded.at_ms, step = excluded.step
