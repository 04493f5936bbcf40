SELECT pool_claims.run, step, pool_claims.epoch, priority, since_us, held,
       CAST(CASE WHEN EXISTS (SELECT 1 FROM leases
                              WHERE leases.run = pool_claims.run AND leases.epoch = pool_claims.epoch
                                AND leases.expires_at_us > ?2) THEN 1 ELSE 0 END AS bigint) AS lives
FROM pool_claims
WHERE pool = ?1
ORDER BY pool_claims.run, step
