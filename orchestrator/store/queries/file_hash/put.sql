INSERT INTO file_hashes (path, size, mtime_ns, inode, hash) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (path) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,
  inode = excluded.inode, hash = excluded.hash
