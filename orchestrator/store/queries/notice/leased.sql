SELECT count(*) FROM notices WHERE channel = ?1 AND pipeline = ?2 AND state = 'waiting' AND leased_until_us > ?3
