-- Times are UTC, in microseconds since 1970 (`_us`); durations are in milliseconds (`_ms`).

CREATE TABLE runs (
  number        INTEGER PRIMARY KEY,
  id            TEXT    NOT NULL UNIQUE CHECK (length(id) = 30 AND substr(id, 1, 4) = 'run_'),
  pipeline      TEXT    NOT NULL CHECK (pipeline <> ''),
  environment   TEXT,
  status        TEXT    NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  created_at_us INTEGER NOT NULL,
  created_by    TEXT    NOT NULL,
  reason        TEXT,
  started_at_us INTEGER,
  ended_at_us   INTEGER,
  epoch         INTEGER NOT NULL DEFAULT 0 CHECK (epoch >= 0),
  events        INTEGER NOT NULL DEFAULT 0 CHECK (events >= 0 AND events < 4294967296),
  instances     INTEGER NOT NULL CHECK (instances >= 0),
  succeeded     INTEGER NOT NULL DEFAULT 0 CHECK (succeeded >= 0),
  reused        INTEGER NOT NULL DEFAULT 0 CHECK (reused >= 0),
  skipped       INTEGER NOT NULL DEFAULT 0 CHECK (skipped >= 0),
  blocked       INTEGER NOT NULL DEFAULT 0 CHECK (blocked >= 0),
  failed        INTEGER NOT NULL DEFAULT 0 CHECK (failed >= 0),
  cancelled     INTEGER NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
  CHECK ((status IN ('succeeded', 'failed', 'cancelled')) = (ended_at_us IS NOT NULL))
) STRICT;

CREATE INDEX runs_by_pipeline ON runs (pipeline);
CREATE INDEX runs_by_status ON runs (status);
CREATE INDEX runs_by_pipeline_and_status ON runs (pipeline, status);
CREATE INDEX runs_by_short_id ON runs (substr(id, -8));

-- Apart from `runs`, whose rows are rewritten at every turn and must stay small.
CREATE TABLE run_definitions (
  run  INTEGER PRIMARY KEY REFERENCES runs (number),
  body TEXT    NOT NULL
) STRICT;

-- `id` is `run * 2^32 + seq`, `seq` counting from 1: one integer key, so that events of a run lie
-- beside each other, appends go to the end of a page, and no second index is written.
CREATE TABLE events (
  id   INTEGER PRIMARY KEY,
  body TEXT    NOT NULL
) STRICT;

CREATE TABLE leases (
  run           INTEGER PRIMARY KEY REFERENCES runs (number),
  epoch         INTEGER NOT NULL CHECK (epoch > 0),
  host          TEXT    NOT NULL,
  boot          TEXT    NOT NULL,
  pid           INTEGER NOT NULL,
  process_start INTEGER NOT NULL,
  engine        TEXT    NOT NULL,
  expires_at_us INTEGER NOT NULL
) STRICT;

-- Reuse: key of a step instance -> the newest `attempt_succeeded` event that carried it.
CREATE TABLE results (
  key   BLOB    PRIMARY KEY CHECK (length(key) = 32),
  event INTEGER NOT NULL,
  at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Written once, when the run ends: `{"step": [wall_ms, …]}`.
CREATE TABLE run_durations (
  run  INTEGER PRIMARY KEY REFERENCES runs (number),
  body TEXT    NOT NULL
) STRICT;

-- Gates that wait for people. `given` lists who has agreed so far.
CREATE TABLE waiting_approvals (
  run         INTEGER NOT NULL REFERENCES runs (number),
  step        INTEGER NOT NULL,
  asked_at_us INTEGER NOT NULL,
  given       TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(given)),
  PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

-- From other processes to the engine that owns the run; taken in the turn that acts on them.
CREATE TABLE requests (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  run          INTEGER NOT NULL REFERENCES runs (number),
  body         TEXT    NOT NULL CHECK (json_valid(body)),
  posted_at_us INTEGER NOT NULL
) STRICT;

CREATE INDEX requests_by_run ON requests (run);

-- A file whose path, size, time and inode are unchanged has the content it had.
CREATE TABLE file_hashes (
  path     TEXT    PRIMARY KEY,
  size     INTEGER NOT NULL CHECK (size >= 0),
  mtime_ns INTEGER NOT NULL,
  inode    INTEGER NOT NULL,
  hash     BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;
