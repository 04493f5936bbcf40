SELECT id FROM runs WHERE number = ?1
