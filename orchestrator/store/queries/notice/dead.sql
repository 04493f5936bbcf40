UPDATE notices SET state = 'dead', settled_us = ?3, error = ?4, leased_until_us = 0, owner = NULL
WHERE number = ?1 AND claim = ?2 AND state = 'waiting'
