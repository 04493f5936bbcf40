INSERT INTO run_params (run, key, value)
SELECT number, CAST(?2 AS text), CAST(?3 AS text) FROM tracked_runs WHERE id = ?1
ON CONFLICT (run, key) DO NOTHING
