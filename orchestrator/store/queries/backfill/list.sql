SELECT number, id, pipeline, trigger, environment, phase, version, forgiven, body, created_at_us, created_by, reason, ended_at_us
FROM backfills
WHERE number < ?1 AND pipeline = coalesce(?3, pipeline) AND phase = coalesce(?4, phase)
ORDER BY number DESC LIMIT ?2
