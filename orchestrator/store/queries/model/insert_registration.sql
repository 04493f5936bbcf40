INSERT INTO registrations (run, instance, output, model, version) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (run, instance, output) DO UPDATE SET model = excluded.model, version = excluded.version
