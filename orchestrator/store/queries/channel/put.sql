INSERT INTO channels (pipeline, name, origin, body, changed_us, changed_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (pipeline, name) DO UPDATE SET origin = excluded.origin, body = excluded.body, changed_us = excluded.changed_us, changed_by = excluded.changed_by
