INSERT INTO pool_claims (run, step, epoch, pool, priority, since_us, held) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)
ON CONFLICT (run, step) DO UPDATE SET epoch = excluded.epoch, pool = excluded.pool, priority = excluded.priority,
  since_us = excluded.since_us, held = 0
WHERE pool_claims.epoch < excluded.epoch
