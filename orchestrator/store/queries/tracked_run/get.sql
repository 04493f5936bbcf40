SELECT number, id, experiment, name, user_name, status, started_at_ms, ended_at_ms, location, is_deleted FROM tracked_runs WHERE id = ?1
