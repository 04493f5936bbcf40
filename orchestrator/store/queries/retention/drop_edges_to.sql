DELETE FROM lineage_edges WHERE target = ?1
