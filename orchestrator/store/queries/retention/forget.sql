DELETE FROM removed_runs WHERE rest = 0 AND position <= (SELECT max(position) FROM removed_runs) - ?1
