SELECT options FROM queue WHERE run = ?1
