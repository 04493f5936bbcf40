SELECT lineage_nodes.id FROM lineage_edges JOIN lineage_nodes ON lineage_nodes.id = lineage_edges.source
WHERE lineage_edges.target = ?1 AND lineage_nodes.kind = 'dataset_version'
