SELECT kind, subject, part FROM lineage_nodes WHERE id = ?1
