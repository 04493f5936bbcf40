UPDATE tracked_runs SET name = ?2, status = ?3, ended_at_ms = ?4 WHERE number = ?1
