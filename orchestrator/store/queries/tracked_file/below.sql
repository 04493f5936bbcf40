SELECT path, size, hash FROM tracked_files WHERE path > ?1 AND path < ?2 ORDER BY path LIMIT ?3
