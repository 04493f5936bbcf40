SELECT id FROM lineage_nodes WHERE kind = 'step' AND subject = ?1 ORDER BY id LIMIT ?2
