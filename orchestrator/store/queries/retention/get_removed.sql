SELECT id, removed_at_us FROM removed_runs WHERE id = ?1
