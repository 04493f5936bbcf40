INSERT INTO reuses (source, run) SELECT number, CAST(?2 AS bigint) FROM runs WHERE id = ?1 ON CONFLICT DO NOTHING
