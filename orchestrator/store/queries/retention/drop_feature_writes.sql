DELETE FROM feature_writes WHERE run = ?1
