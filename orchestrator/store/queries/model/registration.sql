SELECT models.name, registrations.version FROM registrations
JOIN models ON models.id = registrations.model
JOIN model_versions ON model_versions.model = registrations.model AND model_versions.version = registrations.version
WHERE registrations.run = ?1 AND registrations.instance = ?2 AND registrations.output = ?3 AND model_versions.content = ?4
