SELECT number, event, kind, subject, pipeline, channel, body, state, made_us, due_us, tries, settled_us, error
FROM notices WHERE number = ?1
