INSERT INTO version_records (model, version, source, run_id, run_link, logged_model, description, user_name, created_at_us,
                             updated_at_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)
