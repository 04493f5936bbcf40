DELETE FROM lineage_nodes WHERE kind = 'run' AND subject = ?1
