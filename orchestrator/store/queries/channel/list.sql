SELECT pipeline, name, origin, body, changed_us, changed_by FROM channels ORDER BY pipeline, name
