DELETE FROM lineage_edges WHERE source = ?1
