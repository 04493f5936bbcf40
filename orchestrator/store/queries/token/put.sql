INSERT INTO tokens (id, name, role, hash, created_at_us, created_by, expires_at_us, roles) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
