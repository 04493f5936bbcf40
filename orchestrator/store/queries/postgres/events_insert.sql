INSERT INTO events (id, body) SELECT * FROM unnest(?1::bigint[], ?2::text[])
