INSERT INTO datasets (experiment, name, digest, source_type, source, schema, profile)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING number
