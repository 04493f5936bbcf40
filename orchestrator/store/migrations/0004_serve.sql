-- Runs that engines take by themselves. A row leaves when its run is over, some time after: whoever
-- reads it asks for the run's status too.
CREATE TABLE queue (
  run      INTEGER PRIMARY KEY REFERENCES runs (number),
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 100),
  options  TEXT    NOT NULL CHECK (json_valid(options))
) STRICT;

-- A request that is sent again under its key starts nothing.
CREATE TABLE idempotency_keys (
  scope         TEXT    NOT NULL,
  key           TEXT    NOT NULL CHECK (key <> ''),
  request       BLOB    NOT NULL CHECK (length(request) = 32),
  run           INTEGER NOT NULL REFERENCES runs (number),
  created_at_us INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at_us);

CREATE TABLE paused_pipelines (
  pipeline TEXT    PRIMARY KEY CHECK (pipeline <> ''),
  at_us    INTEGER NOT NULL,
  by       TEXT    NOT NULL,
  reason   TEXT
) STRICT, WITHOUT ROWID;

-- `sources`: path -> text of every file that the version was read from.
CREATE TABLE pipeline_versions (
  pipeline   TEXT    NOT NULL CHECK (pipeline <> ''),
  hash       BLOB    NOT NULL CHECK (length(hash) = 32),
  file       TEXT    NOT NULL,
  sources    TEXT    NOT NULL CHECK (json_valid(sources)),
  current_us INTEGER NOT NULL,
  PRIMARY KEY (pipeline, hash)
) STRICT;

-- Only the hash of a token is kept.
CREATE TABLE tokens (
  id            TEXT    PRIMARY KEY CHECK (id <> ''),
  name          TEXT    NOT NULL CHECK (name <> ''),
  role          TEXT    NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
  hash          BLOB    NOT NULL CHECK (length(hash) = 32),
  created_at_us INTEGER NOT NULL,
  created_by    TEXT    NOT NULL,
  expires_at_us INTEGER,
  revoked_at_us INTEGER
) STRICT, WITHOUT ROWID;

-- What a trigger saw, and what came of it.
CREATE TABLE firings (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  pipeline TEXT    NOT NULL CHECK (pipeline <> ''),
  trigger  TEXT    NOT NULL CHECK (trigger <> ''),
  kind     TEXT    NOT NULL CHECK (kind <> ''),
  at_us    INTEGER NOT NULL,
  due_us   INTEGER,
  verdict  TEXT    NOT NULL CHECK (verdict <> ''),
  reason   TEXT,
  run      INTEGER REFERENCES runs (number)
) STRICT;

CREATE INDEX firings_by_pipeline ON firings (pipeline, trigger);

-- How far a trigger has come; written in the transaction of the firing that moved it.
CREATE TABLE trigger_states (
  pipeline TEXT NOT NULL,
  trigger  TEXT NOT NULL,
  body     TEXT NOT NULL CHECK (json_valid(body)),
  PRIMARY KEY (pipeline, trigger)
) STRICT, WITHOUT ROWID;
