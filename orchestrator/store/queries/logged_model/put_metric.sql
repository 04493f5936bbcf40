INSERT INTO logged_model_metrics (model, key, run, dataset_name, dataset_digest, at_ms, step, value, is_nan)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (model, key, run, dataset_name, dataset_digest, at_ms, step) DO UPDATE
SET value = excluded.value, is_nan = excluded.is_nan
