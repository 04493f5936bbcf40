DELETE FROM lineage_nodes WHERE id = ?1
