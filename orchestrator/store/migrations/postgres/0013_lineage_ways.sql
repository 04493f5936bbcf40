-- What kinds of nodes there are is the program's business from here on: other systems tell of theirs as well.
-- `ways` says how a source comes into a target, one bit each.
ALTER TABLE lineage_nodes DROP CONSTRAINT lineage_nodes_kind_check;
ALTER TABLE lineage_nodes ADD CONSTRAINT lineage_nodes_kind_check CHECK (kind <> '');
ALTER TABLE lineage_edges ADD COLUMN ways bigint NOT NULL DEFAULT 0 CHECK (ways >= 0);
