-- One at a time decides who starts, until its transaction ends.
SELECT CASE WHEN pg_advisory_xact_lock(8424021973) IS NULL THEN 0 ELSE 1 END AS alone
