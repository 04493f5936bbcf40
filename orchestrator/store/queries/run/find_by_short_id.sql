SELECT id FROM runs WHERE substr(id, -8) = substr(?1, -8) AND substr(id, -length(?1)) = ?1
ORDER BY id DESC LIMIT ?2
