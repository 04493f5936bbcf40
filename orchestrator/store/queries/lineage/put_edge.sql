INSERT INTO lineage_edges (source, target, derived, run) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (source, target) DO UPDATE SET derived = excluded.derived
WHERE excluded.derived > lineage_edges.derived
