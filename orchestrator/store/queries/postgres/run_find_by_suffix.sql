SELECT id FROM runs WHERE right(id, length(?1)) = ?1 ORDER BY id DESC LIMIT ?2
