-- What attempts have taken, cores and memory times the time for which they were held, by the month (UTC,
-- year * 12 + month - 1) in which they ended; of runs that were removed as well. Writers add to shares of
-- their own, so that none waits for another.
CREATE TABLE step_usage (
  pipeline    TEXT    NOT NULL CHECK (pipeline <> ''),
  environment TEXT    NOT NULL,
  month       INTEGER NOT NULL,
  share       INTEGER NOT NULL,
  core_ms     INTEGER NOT NULL CHECK (core_ms >= 0),
  mib_ms      INTEGER NOT NULL CHECK (mib_ms >= 0),
  PRIMARY KEY (pipeline, environment, month, share)
) STRICT, WITHOUT ROWID;
