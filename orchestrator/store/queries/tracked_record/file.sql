INSERT INTO tracked_files (path, hash, size, put_at_us)
SELECT substr(location, 19) || '/' || CAST(?2 AS text), ?3, CAST(?4 AS bigint), CAST(?5 AS bigint)
FROM tracked_runs WHERE id = ?1 AND substr(location, 1, 18) = 'mlflow-artifacts:/'
ON CONFLICT (path) DO UPDATE SET hash = excluded.hash, size = excluded.size, put_at_us = excluded.put_at_us
