DELETE FROM channels WHERE pipeline = ?1 AND name = ?2 AND origin = ?3
