UPDATE pool_claims SET held = 1 WHERE run = ?1 AND step = ?2 AND epoch = ?3
