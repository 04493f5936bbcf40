SELECT id FROM lineage_nodes WHERE kind = ?1 AND subject = ?2 ORDER BY part
