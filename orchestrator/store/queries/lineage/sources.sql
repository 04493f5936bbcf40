SELECT source, derived FROM lineage_edges WHERE target = ?1 ORDER BY source
