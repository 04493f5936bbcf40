INSERT INTO version_aliases (model, alias, version, set_at_us) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version, set_at_us = excluded.set_at_us
