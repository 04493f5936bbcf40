-- What pools allow, as was last declared, and when attempts of late began, as far as a rate counts them.
CREATE TABLE pools (
  name   text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
  limits text NOT NULL,
  starts text NOT NULL
);

-- Step instances that wait for a slot or have one. A row counts as long as the lease under which it was
-- made.
CREATE TABLE pool_claims (
  run      bigint NOT NULL REFERENCES runs (number),
  step     bigint NOT NULL,
  epoch    bigint NOT NULL,
  pool     text COLLATE "C" NOT NULL CHECK (pool <> ''),
  priority bigint NOT NULL CHECK (priority BETWEEN 0 AND 100),
  since_us bigint NOT NULL,
  held     bigint NOT NULL CHECK (held IN (0, 1)),
  PRIMARY KEY (run, step)
);

CREATE INDEX pool_claims_by_pool ON pool_claims (pool);
