UPDATE notices SET leased_until_us = 0, owner = NULL, tries = tries - 1
WHERE number = ?1 AND claim = ?2 AND state = 'waiting'
