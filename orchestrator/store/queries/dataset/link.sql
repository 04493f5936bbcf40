INSERT INTO run_datasets (run, dataset, context, tags) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING
