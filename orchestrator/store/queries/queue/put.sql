INSERT INTO queue (run, priority, options) VALUES (?1, ?2, ?3) ON CONFLICT (run) DO NOTHING
