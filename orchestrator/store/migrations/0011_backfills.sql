-- `version` goes up with each change: whoever changes a backfill says which version they knew.
CREATE TABLE backfills (
  number        INTEGER PRIMARY KEY AUTOINCREMENT,
  id            TEXT    NOT NULL UNIQUE CHECK (id <> ''),
  pipeline      TEXT    NOT NULL CHECK (pipeline <> ''),
  trigger       TEXT    NOT NULL CHECK (trigger <> ''),
  environment   TEXT,
  phase         TEXT    NOT NULL CHECK (phase IN ('running', 'paused', 'stopped', 'cancelled', 'done')),
  version       INTEGER NOT NULL,
  forgiven      INTEGER NOT NULL,
  body          TEXT    NOT NULL CHECK (json_valid(body)),
  created_at_us INTEGER NOT NULL,
  created_by    TEXT    NOT NULL,
  reason        TEXT,
  ended_at_us   INTEGER,
  request_key   TEXT UNIQUE,
  request       BLOB
) STRICT;

CREATE INDEX backfills_by_phase ON backfills (phase);
CREATE INDEX backfills_by_pipeline ON backfills (pipeline, trigger);

-- `outcome`: what became of a tick, kept beside its run because runs are not kept for ever. The run is
-- named by its id, so that it may go.
CREATE TABLE backfill_ticks (
  backfill INTEGER NOT NULL REFERENCES backfills (number),
  at_us    INTEGER NOT NULL,
  body     TEXT    NOT NULL CHECK (json_valid(body)),
  run      TEXT,
  outcome  TEXT,
  reason   TEXT,
  PRIMARY KEY (backfill, at_us)
) STRICT, WITHOUT ROWID;

CREATE INDEX backfill_ticks_by_run ON backfill_ticks (run) WHERE run IS NOT NULL;

-- Which run a tick of a schedule had.
CREATE INDEX firings_by_tick ON firings (pipeline, trigger, due_us) WHERE run IS NOT NULL;
