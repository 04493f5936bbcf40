-- By the whole id, or by its end; two, to see whether it is one.
SELECT id, removed_at_us FROM removed_runs WHERE id LIKE '%' || ?1 ORDER BY position DESC LIMIT 2
