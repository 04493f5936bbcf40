SELECT id FROM runs
WHERE events <> (SELECT count(*) FROM events WHERE events.id > runs.number << 32 AND events.id <= (runs.number << 32) + 4294967295)
ORDER BY id
