SELECT substr(location, 19) FROM tracked_runs WHERE pipeline_run = ?1 AND substr(location, 1, 18) = 'mlflow-artifacts:/'
