SELECT body, origin FROM channels WHERE pipeline = ?1 AND name = ?2
