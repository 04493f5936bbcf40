SELECT number, is_deleted FROM tracked_runs WHERE id = ?1
