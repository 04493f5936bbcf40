UPDATE leases SET expires_at_us = ?3 WHERE run = ?1 AND epoch = ?2
