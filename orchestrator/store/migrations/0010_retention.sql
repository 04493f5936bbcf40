-- What retention has removed, for who asks for it, at most so many. `rest` is 1 while rows of the run remain
-- to be removed; `run` is the number it had.
CREATE TABLE removed_runs (
  position      INTEGER PRIMARY KEY AUTOINCREMENT,
  run           INTEGER NOT NULL,
  id            TEXT    NOT NULL UNIQUE CHECK (length(id) = 30),
  removed_at_us INTEGER NOT NULL,
  rest          INTEGER NOT NULL CHECK (rest IN (0, 1))
) STRICT;

CREATE INDEX removed_runs_with_rest ON removed_runs (position) WHERE rest = 1;

-- `run` took a result of `source`, which stays as long as it. Either may be gone.
CREATE TABLE reuses (
  source INTEGER NOT NULL,
  run    INTEGER NOT NULL,
  PRIMARY KEY (source, run)
) STRICT, WITHOUT ROWID;

CREATE INDEX reuses_by_run ON reuses (run);

INSERT INTO reuses (source, run)
SELECT DISTINCT runs.number, events.id >> 32
FROM events JOIN runs ON runs.id = json_extract(events.body, '$.from')
WHERE events.body LIKE '%"event":"step_reused"%';

CREATE INDEX runs_by_age ON runs (ended_at_us) WHERE ended_at_us IS NOT NULL;
CREATE INDEX idempotency_keys_by_run ON idempotency_keys (run);
CREATE INDEX firings_by_run ON firings (run);

-- The same edges; the run that showed one first may be gone while others still show it.
CREATE TABLE lineage_edges_of_any (
  source  INTEGER NOT NULL REFERENCES lineage_nodes (id),
  target  INTEGER NOT NULL REFERENCES lineage_nodes (id),
  derived INTEGER NOT NULL CHECK (derived IN (0, 1)),
  run     INTEGER NOT NULL,
  PRIMARY KEY (source, target)
) STRICT, WITHOUT ROWID;

INSERT INTO lineage_edges_of_any (source, target, derived, run)
SELECT source, target, derived, run FROM lineage_edges;

DROP TABLE lineage_edges;
ALTER TABLE lineage_edges_of_any RENAME TO lineage_edges;
CREATE INDEX lineage_edges_by_target ON lineage_edges (target, source);
