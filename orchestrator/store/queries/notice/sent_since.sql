SELECT count(*) FROM notices WHERE channel = ?1 AND pipeline = ?2 AND state = 'delivered' AND settled_us > ?3
