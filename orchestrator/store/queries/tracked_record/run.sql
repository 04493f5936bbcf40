INSERT INTO tracked_runs (id, experiment, name, user_name, status, started_at_ms, ended_at_ms, location, pipeline_run)
SELECT CAST(?1 AS text), id, CAST(?3 AS text), CAST(?4 AS text), CAST(?5 AS text), CAST(?6 AS bigint), CAST(?7 AS bigint),
       location || '/' || CAST(?1 AS text) || '/artifacts', CAST(?8 AS bigint)
FROM experiments WHERE name = ?2
ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended_at_ms = excluded.ended_at_ms
