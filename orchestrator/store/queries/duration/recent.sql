SELECT run_durations.body FROM runs JOIN run_durations ON run_durations.run = runs.number
WHERE runs.pipeline = ?1 ORDER BY runs.number DESC LIMIT ?2
