UPDATE notices SET state = 'delivered', settled_us = ?2, leased_until_us = 0, owner = NULL, error = NULL
WHERE number = ?1 AND state = 'waiting'
