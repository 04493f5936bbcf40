INSERT INTO registrations (run, instance, output, model, version) VALUES (?1, ?2, ?3, ?4, ?5)
