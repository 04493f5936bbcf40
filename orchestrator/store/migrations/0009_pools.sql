-- What pools allow, as was last declared, and when attempts of late began, as far as a rate counts them.
CREATE TABLE pools (
  name   TEXT PRIMARY KEY CHECK (name <> ''),
  limits TEXT NOT NULL CHECK (json_valid(limits)),
  starts TEXT NOT NULL CHECK (json_valid(starts))
) STRICT, WITHOUT ROWID;

-- Step instances that wait for a slot or have one. A row counts as long as the lease under which it was
-- made.
CREATE TABLE pool_claims (
  run      INTEGER NOT NULL REFERENCES runs (number),
  step     INTEGER NOT NULL,
  epoch    INTEGER NOT NULL,
  pool     TEXT    NOT NULL CHECK (pool <> ''),
  priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 100),
  since_us INTEGER NOT NULL,
  held     INTEGER NOT NULL CHECK (held IN (0, 1)),
  PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

CREATE INDEX pool_claims_by_pool ON pool_claims (pool);
