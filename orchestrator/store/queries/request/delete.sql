DELETE FROM requests WHERE run = ?1 AND id <= ?2
