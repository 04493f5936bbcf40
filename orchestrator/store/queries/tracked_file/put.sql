INSERT INTO tracked_files (path, hash, size, put_at_us) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (path) DO UPDATE SET hash = excluded.hash, size = excluded.size, put_at_us = excluded.put_at_us
