INSERT INTO leases (run, epoch, host, boot, pid, process_start, engine, expires_at_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (run) DO UPDATE SET epoch = excluded.epoch, host = excluded.host, boot = excluded.boot,
  pid = excluded.pid, process_start = excluded.process_start, engine = excluded.engine,
  expires_at_us = excluded.expires_at_us
