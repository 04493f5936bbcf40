SELECT at_us, body FROM backfill_ticks WHERE backfill = ?1 AND run IS NULL AND outcome IS NULL ORDER BY at_us LIMIT ?2
