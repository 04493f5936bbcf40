SELECT channel, pipeline, count(*) FROM notices
WHERE state = 'waiting' AND due_us <= ?1 AND leased_until_us <= ?1
GROUP BY channel, pipeline ORDER BY min(number)
