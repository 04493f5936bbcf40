DELETE FROM leases WHERE run = ?1 AND epoch = ?2
