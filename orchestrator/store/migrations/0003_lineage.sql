-- A node is named by its kind, a subject and a part of it: a column of a table, a version of a model.
CREATE TABLE lineage_nodes (
  id      INTEGER PRIMARY KEY,
  kind    TEXT NOT NULL CHECK (kind IN ('dataset', 'dataset_version', 'dataset_column', 'artifact',
                                        'artifact_column', 'step', 'run', 'model_version', 'file')),
  subject TEXT NOT NULL,
  part    TEXT NOT NULL,
  UNIQUE (kind, subject, part)
) STRICT;

-- `target` depends on `source`. `run` is the first run that showed it.
CREATE TABLE lineage_edges (
  source  INTEGER NOT NULL REFERENCES lineage_nodes (id),
  target  INTEGER NOT NULL REFERENCES lineage_nodes (id),
  derived INTEGER NOT NULL CHECK (derived IN (0, 1)),
  run     INTEGER NOT NULL REFERENCES runs (number),
  PRIMARY KEY (source, target)
) STRICT, WITHOUT ROWID;

CREATE INDEX lineage_edges_by_target ON lineage_edges (target, source);

-- Which event made an artifact. The same content may come from many.
CREATE TABLE artifacts (
  hash   BLOB    NOT NULL CHECK (length(hash) = 32),
  event  INTEGER NOT NULL,
  output TEXT    NOT NULL,
  PRIMARY KEY (hash, event, output)
) STRICT, WITHOUT ROWID;
