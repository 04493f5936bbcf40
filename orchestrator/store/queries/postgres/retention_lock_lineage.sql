-- Writers of lineage name nodes that they have seen: none may go between their seeing it and their commit. Who
-- waited for them would hold up those that come later.
LOCK TABLE lineage_nodes IN SHARE ROW EXCLUSIVE MODE NOWAIT
