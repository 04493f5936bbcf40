UPDATE tracked_runs SET is_deleted = ?2 WHERE number = ?1
