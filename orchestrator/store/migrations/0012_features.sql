CREATE TABLE feature_views (
  id            INTEGER PRIMARY KEY,
  name          TEXT    NOT NULL UNIQUE CHECK (name <> ''),
  created_at_us INTEGER NOT NULL
) STRICT;

-- `version` counts 1, 2, 3 … without holes; a definition that breaks none of its readers is the same version's next one.
-- Runs are named by their ids here, so that they may go.
CREATE TABLE feature_view_versions (
  view          INTEGER NOT NULL REFERENCES feature_views (id),
  version       INTEGER NOT NULL CHECK (version > 0),
  definition    TEXT    NOT NULL CHECK (json_valid(definition)),
  run           TEXT,
  instance      TEXT,
  revision      TEXT,
  created_at_us INTEGER NOT NULL,
  changed_at_us INTEGER NOT NULL,
  PRIMARY KEY (view, version)
) STRICT, WITHOUT ROWID;

-- What a view version held: `sequence` counts 1, 2, 3 … without holes. `run` is none where a person's command made it.
CREATE TABLE feature_snapshots (
  view          INTEGER NOT NULL,
  version       INTEGER NOT NULL,
  sequence      INTEGER NOT NULL CHECK (sequence > 0),
  kind          TEXT    NOT NULL CHECK (kind IN ('append', 'replace', 'compact')),
  manifest      TEXT    NOT NULL CHECK (json_valid(manifest)),
  rows          INTEGER NOT NULL,
  added         INTEGER NOT NULL,
  size          INTEGER NOT NULL,
  from_us       INTEGER,
  to_us         INTEGER,
  folded        INTEGER NOT NULL,
  run           TEXT,
  instance      TEXT,
  revision      TEXT,
  created_at_us INTEGER NOT NULL,
  PRIMARY KEY (view, version, sequence),
  FOREIGN KEY (view, version) REFERENCES feature_view_versions (view, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX feature_snapshots_by_run ON feature_snapshots (run) WHERE run IS NOT NULL;

-- What a step instance has written, so that it never does so twice.
CREATE TABLE feature_writes (
  run      INTEGER NOT NULL REFERENCES runs (number),
  instance TEXT    NOT NULL,
  view     INTEGER NOT NULL REFERENCES feature_views (id),
  version  INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  added    INTEGER NOT NULL,
  PRIMARY KEY (run, instance, view)
) STRICT, WITHOUT ROWID;
