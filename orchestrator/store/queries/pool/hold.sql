SELECT limits, starts FROM pools WHERE name = ?1
