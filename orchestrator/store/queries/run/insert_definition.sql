INSERT INTO run_definitions (run, body) VALUES (?1, ?2)
