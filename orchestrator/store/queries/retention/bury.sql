INSERT INTO removed_runs (run, id, removed_at_us, rest) VALUES (?1, ?2, ?3, 1)
