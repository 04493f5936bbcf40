DELETE FROM queue WHERE run = ?1
