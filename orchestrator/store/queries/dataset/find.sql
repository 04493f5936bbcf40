SELECT number FROM datasets WHERE experiment = ?1 AND name = ?2 AND digest = ?3
