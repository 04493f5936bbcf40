INSERT INTO backfill_ticks (backfill, at_us, body) VALUES (?1, ?2, ?3)
