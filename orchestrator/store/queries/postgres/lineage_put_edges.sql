INSERT INTO lineage_edges (source, target, derived, ways, run)
SELECT source.id, target.id, max(added.derived), bit_or(added.ways), min(added.run)
FROM unnest(?1::text[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::text[], ?7::bigint[], ?8::bigint[], ?9::bigint[])
  AS added (source_kind, source_subject, source_part, target_kind, target_subject, target_part, derived, ways, run)
JOIN lineage_nodes AS source
  ON (source.kind, source.subject, source.part) = (added.source_kind, added.source_subject, added.source_part)
JOIN lineage_nodes AS target
  ON (target.kind, target.subject, target.part) = (added.target_kind, added.target_subject, added.target_part)
GROUP BY source.id, target.id
ORDER BY source.id, target.id
ON CONFLICT (source, target) DO UPDATE
SET derived = lineage_edges.derived | excluded.derived, ways = lineage_edges.ways | excluded.ways
WHERE excluded.derived > lineage_edges.derived OR (excluded.ways & ~lineage_edges.ways) <> 0
