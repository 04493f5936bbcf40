DELETE FROM runs WHERE number = ?1
