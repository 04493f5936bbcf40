UPDATE runs SET
  events = events + ?4,
  succeeded = ?5, reused = ?6, skipped = ?7, blocked = ?8, failed = ?9, cancelled = ?10
WHERE number = ?1 AND epoch = ?2 AND events = ?3
