UPDATE runs SET
  events = events + ?4,
  status = coalesce(?5, status),
  started_at_us = coalesce(started_at_us, ?6),
  ended_at_us = CASE ?5 WHEN 'running' THEN NULL ELSE coalesce(?7, ended_at_us) END,
  succeeded = ?8, reused = ?9, skipped = ?10, blocked = ?11, failed = ?12, cancelled = ?13
WHERE number = ?1 AND epoch = ?2 AND events = ?3
