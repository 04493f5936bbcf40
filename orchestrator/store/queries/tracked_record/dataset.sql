INSERT INTO datasets (experiment, name, digest, source_type, source)
SELECT experiment, CAST(?2 AS text), CAST(?3 AS text), 'local', CAST(?4 AS text) FROM tracked_runs WHERE id = ?1
ON CONFLICT (experiment, name, digest) DO NOTHING
