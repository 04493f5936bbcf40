UPDATE experiments SET location = 'mlflow-artifacts:/' || id WHERE name = ?1 AND location = ''
