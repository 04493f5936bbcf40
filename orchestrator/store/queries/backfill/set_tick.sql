UPDATE backfill_ticks SET run = ?3, outcome = ?4, reason = ?5
WHERE backfill = ?1 AND at_us = ?2 AND run IS NULL AND outcome IS NULL
