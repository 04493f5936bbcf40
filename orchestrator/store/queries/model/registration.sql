SELECT models.name, registrations.version FROM registrations JOIN models ON models.id = registrations.model
WHERE registrations.run = ?1 AND registrations.instance = ?2 AND registrations.output = ?3
