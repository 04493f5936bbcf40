SELECT key, run, dataset_name, dataset_digest, at_ms, step, value, is_nan FROM logged_model_metrics WHERE model = ?1
ORDER BY key, at_ms, step
