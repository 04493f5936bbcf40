SELECT epoch, host, boot, pid, process_start, engine, expires_at_us FROM leases WHERE run = ?1
