SELECT position, id FROM removed_runs WHERE position > ?1 ORDER BY position LIMIT ?2
