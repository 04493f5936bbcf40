UPDATE runs SET
  events = events + ?4,
  status = coalesce(?5, status),
  started_at_us = coalesce(started_at_us, ?6),
  ended_at_us = CASE ?5 WHEN 'running' THEN NULL ELSE coalesce(?7, ended_at_us) END,
  succeeded = succeeded + ?8,
  reused = reused + ?9,
  skipped = skipped + ?10,
  blocked = CASE WHEN ?14 THEN 0 ELSE blocked END + ?11,
  failed = CASE WHEN ?14 THEN 0 ELSE failed END + ?12,
  cancelled = CASE WHEN ?14 THEN 0 ELSE cancelled END + ?13
WHERE number = ?1 AND epoch = ?2 AND events = ?3
