INSERT INTO lineage_nodes (kind, subject, part)
SELECT DISTINCT kind, subject, part FROM unnest(?1::text[], ?2::text[], ?3::text[]) AS added (kind, subject, part)
WHERE NOT EXISTS (SELECT FROM lineage_nodes AS known
                  WHERE (known.kind, known.subject, known.part) = (added.kind, added.subject, added.part))
ORDER BY kind, subject, part
ON CONFLICT DO NOTHING
