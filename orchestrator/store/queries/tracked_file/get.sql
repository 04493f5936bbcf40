SELECT hash, size FROM tracked_files WHERE path = ?1
