DELETE FROM lineage_edges
WHERE target IN (SELECT id FROM lineage_nodes WHERE kind = 'run' AND subject = ?1)
