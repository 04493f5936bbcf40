INSERT INTO feature_writes (run, instance, view, version, sequence, added) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
