SELECT source, derived, ways FROM lineage_edges WHERE target = ?1 ORDER BY source
