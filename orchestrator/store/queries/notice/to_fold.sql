SELECT number, body FROM notices
WHERE state = 'waiting' AND channel = ?1 AND pipeline = ?2 AND due_us <= ?3 AND leased_until_us <= ?3
  AND kind NOT IN ('notices.folded', 'channel.test')
ORDER BY number LIMIT 20000 OFFSET ?4
