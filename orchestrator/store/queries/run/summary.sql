SELECT id, pipeline, environment, status, created_at_us, created_by, reason, started_at_us, ended_at_us,
       epoch, events, instances, succeeded, reused, skipped, blocked, failed, cancelled
FROM runs WHERE number = ?1
