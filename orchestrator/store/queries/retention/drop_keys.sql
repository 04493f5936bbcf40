DELETE FROM idempotency_keys WHERE run = ?1
