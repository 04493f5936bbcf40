DELETE FROM firings WHERE id <= (SELECT max(id) FROM firings) - ?1
