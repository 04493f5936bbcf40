DELETE FROM pool_claims WHERE run = ?1
