DELETE FROM pool_claims WHERE run = ?1 AND step = ?2 AND epoch <= ?3
