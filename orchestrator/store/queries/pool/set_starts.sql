UPDATE pools SET starts = ?2 WHERE name = ?1
