DELETE FROM lineage_nodes WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM lineage_edges WHERE source = ?1)
