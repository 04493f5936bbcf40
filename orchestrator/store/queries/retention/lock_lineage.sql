-- Whoever writes on SQLite is alone.
SELECT 1 AS alone
