SELECT target, derived, ways FROM lineage_edges WHERE source = ?1 ORDER BY target
