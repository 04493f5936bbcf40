-- A run that somebody is at is looked at another time.
SELECT number FROM runs WHERE number = ?1 FOR UPDATE SKIP LOCKED
