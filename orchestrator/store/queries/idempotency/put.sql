INSERT INTO idempotency_keys (scope, key, request, run, created_at_us) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (scope, key) DO NOTHING
