INSERT INTO run_latest_metrics (run, key, value, is_nan, at_ms, step) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (run, key) DO UPDATE
SET value = excluded.value, is_nan = excluded.is_nan, at_ms = excluded.at_ms, step = excluded.step
WHERE (excluded.step, excluded.at_ms, excluded.value)
    > (run_latest_metrics.step, run_latest_metrics.at_ms, run_latest_metrics.value)
