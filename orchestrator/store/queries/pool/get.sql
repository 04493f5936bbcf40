SELECT limits, starts FROM pools WHERE pools.name = ?1
