-- Whoever else decides about the pool waits until the transaction ends.
SELECT limits, starts FROM pools WHERE name = ?1 FOR UPDATE
