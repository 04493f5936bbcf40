DELETE FROM reuses WHERE run = ?1
