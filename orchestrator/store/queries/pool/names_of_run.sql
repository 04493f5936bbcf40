SELECT DISTINCT pool FROM pool_claims WHERE run = ?1 AND held = 0 ORDER BY pool
