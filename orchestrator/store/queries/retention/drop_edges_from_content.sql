DELETE FROM lineage_edges
WHERE source IN (SELECT id FROM lineage_nodes WHERE kind IN ('artifact', 'artifact_column') AND subject = ?1)
  AND NOT EXISTS (SELECT 1 FROM artifacts WHERE hash = ?2)
