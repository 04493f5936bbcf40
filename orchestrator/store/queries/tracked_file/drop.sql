DELETE FROM tracked_files WHERE path = ?1 OR (path > ?2 AND path < ?3)
