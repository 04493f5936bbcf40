UPDATE removed_runs SET rest = 0 WHERE position = ?1
