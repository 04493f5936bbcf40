SELECT number, id, pipeline, trigger, environment, phase, version, forgiven, body, created_at_us, created_by, reason, ended_at_us
FROM backfills WHERE id = ?1
