UPDATE firings SET run = NULL WHERE run = ?1
