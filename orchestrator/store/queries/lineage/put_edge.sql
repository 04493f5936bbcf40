INSERT INTO lineage_edges (source, target, derived, ways, run) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (source, target) DO UPDATE
SET derived = lineage_edges.derived | excluded.derived, ways = lineage_edges.ways | excluded.ways
WHERE excluded.derived > lineage_edges.derived OR (excluded.ways & ~lineage_edges.ways) <> 0
