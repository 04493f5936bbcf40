SELECT number, id, experiment, name, kind, status, source_run, location, created_at_ms, updated_at_ms, is_deleted FROM logged_models WHERE id = ?1
