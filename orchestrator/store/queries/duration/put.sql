INSERT INTO run_durations (run, body) VALUES (?1, ?2) ON CONFLICT (run) DO UPDATE SET body = excluded.body
