DELETE FROM pool_claims WHERE run = ?1 AND epoch <= ?2
