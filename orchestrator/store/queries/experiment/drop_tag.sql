DELETE FROM experiment_tags WHERE experiment = ?1 AND key = ?2
