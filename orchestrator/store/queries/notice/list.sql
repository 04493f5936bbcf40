SELECT number, event, kind, subject, pipeline, channel, body, state, made_us, due_us, tries, settled_us, error
FROM notices
WHERE number < ?1 AND channel = coalesce(?3, channel) AND state = coalesce(?4, state) AND kind = coalesce(?5, kind)
  AND subject = coalesce(?6, subject)
ORDER BY number DESC LIMIT ?2
