SELECT DISTINCT datasets.name, datasets.digest, run_datasets.context
FROM datasets JOIN run_datasets ON run_datasets.dataset = datasets.number
JOIN tracked_runs ON tracked_runs.number = run_datasets.run
WHERE datasets.experiment = ?1 AND tracked_runs.is_deleted = 0
ORDER BY datasets.name, datasets.digest LIMIT ?2
