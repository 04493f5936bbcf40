INSERT INTO requests (run, body, posted_at_us) VALUES (?1, ?2, ?3)
