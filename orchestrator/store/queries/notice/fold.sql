UPDATE notices SET state = 'folded', settled_us = ?2, error = ?3
WHERE number = ?1 AND state = 'waiting' AND leased_until_us <= ?4
