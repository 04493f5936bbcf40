SELECT runs.id, idempotency_keys.request
FROM idempotency_keys JOIN runs ON runs.number = idempotency_keys.run
WHERE scope = ?1 AND key = ?2
