INSERT INTO pools (name, limits, starts) VALUES (?1, ?2, '[]')
ON CONFLICT (name) DO UPDATE SET limits = excluded.limits WHERE pools.limits <> excluded.limits
