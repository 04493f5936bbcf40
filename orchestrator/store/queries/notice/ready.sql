SELECT number, subject, body, tries, claim FROM notices
WHERE state = 'waiting' AND channel = ?1 AND pipeline = ?2 AND due_us <= ?3 AND leased_until_us <= ?3
  AND NOT EXISTS (
    SELECT 1 FROM notices AS earlier
    WHERE earlier.state = 'waiting' AND earlier.channel = notices.channel AND earlier.pipeline = notices.pipeline
      AND earlier.subject = notices.subject AND earlier.number < notices.number
      AND (earlier.due_us > ?3 OR earlier.leased_until_us > ?3)
  )
ORDER BY number LIMIT ?4
