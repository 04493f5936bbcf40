SELECT id FROM runs WHERE right(id, 8) = right(?1, 8) AND right(id, length(?1)) = ?1
ORDER BY id DESC LIMIT ?2
