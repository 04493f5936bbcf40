SELECT id, body, posted_at_us FROM requests WHERE run = ?1 ORDER BY id
