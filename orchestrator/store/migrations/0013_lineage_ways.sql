-- What kinds of nodes there are is the program's business from here on: other systems tell of theirs as well.
-- `ways` says how a source comes into a target, one bit each. SQLite takes neither a check nor a reference off a
-- table, so both are made anew.
CREATE TABLE lineage_edges_kept (source INTEGER, target INTEGER, derived INTEGER, run INTEGER) STRICT;
INSERT INTO lineage_edges_kept (source, target, derived, run)
SELECT source, target, derived, run FROM lineage_edges;
DROP TABLE lineage_edges;

CREATE TABLE lineage_nodes_of_any (
  id      INTEGER PRIMARY KEY,
  kind    TEXT NOT NULL CHECK (kind <> ''),
  subject TEXT NOT NULL,
  part    TEXT NOT NULL,
  UNIQUE (kind, subject, part)
) STRICT;

INSERT INTO lineage_nodes_of_any (id, kind, subject, part)
SELECT id, kind, subject, part FROM lineage_nodes;
DROP TABLE lineage_nodes;
ALTER TABLE lineage_nodes_of_any RENAME TO lineage_nodes;

CREATE TABLE lineage_edges (
  source  INTEGER NOT NULL REFERENCES lineage_nodes (id),
  target  INTEGER NOT NULL REFERENCES lineage_nodes (id),
  derived INTEGER NOT NULL CHECK (derived IN (0, 1)),
  ways    INTEGER NOT NULL DEFAULT 0 CHECK (ways >= 0),
  run     INTEGER NOT NULL,
  PRIMARY KEY (source, target)
) STRICT, WITHOUT ROWID;

INSERT INTO lineage_edges (source, target, derived, run)
SELECT source, target, derived, run FROM lineage_edges_kept;
DROP TABLE lineage_edges_kept;
CREATE INDEX lineage_edges_by_target ON lineage_edges (target, source);
