INSERT INTO artifacts (hash, event, output) SELECT * FROM unnest(?1::bytea[], ?2::bigint[], ?3::text[])
ON CONFLICT DO NOTHING
