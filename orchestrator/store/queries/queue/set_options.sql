UPDATE queue SET options = ?2 WHERE run = ?1
