INSERT INTO run_datasets (run, dataset, tags)
SELECT tracked_runs.number, datasets.number, '{}'
FROM tracked_runs JOIN datasets ON datasets.experiment = tracked_runs.experiment
WHERE tracked_runs.id = ?1 AND datasets.name = ?2 AND datasets.digest = ?3
ON CONFLICT DO NOTHING
