INSERT INTO results (key, event, at_us) VALUES (?1, ?2, ?3)
ON CONFLICT (key) DO UPDATE SET event = excluded.event, at_us = excluded.at_us
