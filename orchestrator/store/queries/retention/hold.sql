-- Whoever writes on SQLite is alone.
SELECT number FROM runs WHERE number = ?1
