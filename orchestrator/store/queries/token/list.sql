SELECT id, name, role, hash, created_at_us, created_by, expires_at_us, revoked_at_us, roles FROM tokens ORDER BY created_at_us, id
