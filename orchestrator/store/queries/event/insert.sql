INSERT INTO events (id, body) VALUES (?1, ?2)
