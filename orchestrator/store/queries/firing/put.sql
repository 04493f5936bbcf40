INSERT INTO firings (pipeline, trigger, kind, at_us, due_us, verdict, reason, run) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
