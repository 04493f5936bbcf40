UPDATE notices SET owner = ?3, leased_until_us = ?4, claim = claim + 1, tries = tries + 1
WHERE number = ?1 AND claim = ?2 AND state = 'waiting' AND due_us <= ?5 AND leased_until_us <= ?5
