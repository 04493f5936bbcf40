CREATE TABLE models (
  id            INTEGER PRIMARY KEY,
  name          TEXT    NOT NULL UNIQUE CHECK (name <> ''),
  created_at_us INTEGER NOT NULL
) STRICT;

-- `version` counts 1, 2, 3 … without holes: it is given inside the transaction that records the
-- success of the step which asked for it.
CREATE TABLE model_versions (
  model         INTEGER NOT NULL REFERENCES models (id),
  version       INTEGER NOT NULL CHECK (version > 0),
  content       BLOB    NOT NULL CHECK (length(content) = 32),
  run           INTEGER NOT NULL REFERENCES runs (number),
  instance      TEXT    NOT NULL,
  draft         TEXT    NOT NULL CHECK (json_valid(draft)),
  created_at_us INTEGER NOT NULL,
  PRIMARY KEY (model, version),
  UNIQUE (model, content)
) STRICT;

CREATE INDEX model_versions_by_run ON model_versions (run);

-- What a step instance has registered, so that it never does so twice.
CREATE TABLE registrations (
  run      INTEGER NOT NULL REFERENCES runs (number),
  instance TEXT    NOT NULL,
  output   TEXT    NOT NULL,
  model    INTEGER NOT NULL,
  version  INTEGER NOT NULL,
  PRIMARY KEY (run, instance, output),
  FOREIGN KEY (model, version) REFERENCES model_versions (model, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE model_aliases (
  model     INTEGER NOT NULL REFERENCES models (id),
  alias     TEXT    NOT NULL CHECK (alias <> ''),
  version   INTEGER NOT NULL,
  set_at_us INTEGER NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES model_versions (model, version)
) STRICT, WITHOUT ROWID;
