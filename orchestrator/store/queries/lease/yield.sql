UPDATE leases SET expires_at_us = 0 WHERE run = ?1 AND epoch = ?2
