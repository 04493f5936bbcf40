INSERT INTO results (key, event, at_us)
SELECT DISTINCT ON (key) key, event, at_us
FROM unnest(?1::bytea[], ?2::bigint[], ?3::bigint[]) AS added (key, event, at_us)
ORDER BY key, at_us DESC, event DESC
ON CONFLICT (key) DO UPDATE SET event = excluded.event, at_us = excluded.at_us
