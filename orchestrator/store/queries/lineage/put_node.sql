INSERT INTO lineage_nodes (kind, subject, part) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING RETURNING id
