DELETE FROM lineage_edges
WHERE target = ?1 AND NOT EXISTS (SELECT 1 FROM lineage_edges AS onward WHERE onward.source = ?1)
