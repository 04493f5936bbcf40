-- What attempts have taken, cores and memory times the time for which they were held, by the month (UTC,
-- year * 12 + month - 1) in which they ended; of runs that were removed as well. Writers add to shares of
-- their own, so that none waits for another.
CREATE TABLE step_usage (
  pipeline    text COLLATE "C" NOT NULL CHECK (pipeline <> ''),
  environment text COLLATE "C" NOT NULL,
  month       bigint NOT NULL,
  share       bigint NOT NULL,
  core_ms     bigint NOT NULL CHECK (core_ms >= 0),
  mib_ms      bigint NOT NULL CHECK (mib_ms >= 0),
  PRIMARY KEY (pipeline, environment, month, share)
);
