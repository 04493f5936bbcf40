SELECT version, sequence, added FROM feature_writes WHERE run = ?1 AND instance = ?2 AND view = ?3
