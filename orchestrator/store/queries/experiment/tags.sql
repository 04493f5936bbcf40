SELECT key, value FROM experiment_tags WHERE experiment = ?1 ORDER BY key
