-- Experiment tracking as MLflow's clients know it. Times that clients give are in milliseconds (`_ms`).

CREATE TABLE experiments (
  id            INTEGER PRIMARY KEY,
  name          TEXT    NOT NULL UNIQUE CHECK (name <> ''),
  location      TEXT    NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  is_deleted    INTEGER NOT NULL DEFAULT 0 CHECK (is_deleted IN (0, 1))
) STRICT;

INSERT INTO experiments (id, name, location, created_at_ms, updated_at_ms) VALUES (0, 'Default', 'mlflow-artifacts:/0', 0, 0);

CREATE TABLE experiment_tags (
  experiment INTEGER NOT NULL REFERENCES experiments (id),
  key        TEXT    NOT NULL,
  value      TEXT    NOT NULL,
  PRIMARY KEY (experiment, key)
) STRICT, WITHOUT ROWID;

-- `pipeline_run`: the number of the run of a pipeline that wrote it by itself, with which it goes.
CREATE TABLE tracked_runs (
  number        INTEGER PRIMARY KEY,
  id            TEXT    NOT NULL UNIQUE CHECK (id <> ''),
  experiment    INTEGER NOT NULL REFERENCES experiments (id),
  name          TEXT    NOT NULL,
  user_name     TEXT    NOT NULL,
  status        TEXT    NOT NULL CHECK (status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
  started_at_ms INTEGER NOT NULL,
  ended_at_ms   INTEGER,
  location      TEXT    NOT NULL,
  is_deleted    INTEGER NOT NULL DEFAULT 0 CHECK (is_deleted IN (0, 1)),
  pipeline_run  INTEGER
) STRICT;

CREATE INDEX tracked_runs_by_start ON tracked_runs (experiment, started_at_ms DESC, id);
CREATE INDEX tracked_runs_by_pipeline_run ON tracked_runs (pipeline_run) WHERE pipeline_run IS NOT NULL;

CREATE TABLE run_params (
  run   INTEGER NOT NULL REFERENCES tracked_runs (number),
  key   TEXT    NOT NULL,
  value TEXT    NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

-- The beginning of a value finds nearly all there is to find, and no value is too long for it.
CREATE INDEX run_params_by_value ON run_params (key, substr(value, 1, 100));

CREATE TABLE run_tags (
  run   INTEGER NOT NULL REFERENCES tracked_runs (number),
  key   TEXT    NOT NULL,
  value TEXT    NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_tags_by_value ON run_tags (key, substr(value, 1, 100));

-- Every point that was logged; the same point twice is one. NaN is kept as 0 with a mark, because neither
-- database orders it as clients do.
CREATE TABLE run_metrics (
  run    INTEGER NOT NULL REFERENCES tracked_runs (number),
  key    TEXT    NOT NULL,
  at_ms  INTEGER NOT NULL,
  step   INTEGER NOT NULL,
  value  REAL    NOT NULL,
  is_nan INTEGER NOT NULL CHECK (is_nan IN (0, 1)),
  PRIMARY KEY (run, key, at_ms, step, value, is_nan)
) STRICT, WITHOUT ROWID;

-- The point of each metric with the largest step, then time, then value.
CREATE TABLE run_latest_metrics (
  run    INTEGER NOT NULL REFERENCES tracked_runs (number),
  key    TEXT    NOT NULL,
  value  REAL    NOT NULL,
  is_nan INTEGER NOT NULL CHECK (is_nan IN (0, 1)),
  at_ms  INTEGER NOT NULL,
  step   INTEGER NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_latest_metrics_by_value ON run_latest_metrics (key, value, is_nan);

CREATE TABLE datasets (
  number      INTEGER PRIMARY KEY,
  experiment  INTEGER NOT NULL REFERENCES experiments (id),
  name        TEXT    NOT NULL,
  digest      TEXT    NOT NULL,
  source_type TEXT    NOT NULL,
  source      TEXT    NOT NULL,
  schema      TEXT,
  profile     TEXT,
  UNIQUE (experiment, name, digest)
) STRICT;

-- What a run has read. `tags` is a JSON object; `context` is the tag that searches ask for.
CREATE TABLE run_datasets (
  run     INTEGER NOT NULL REFERENCES tracked_runs (number),
  dataset INTEGER NOT NULL REFERENCES datasets (number),
  context TEXT,
  tags    TEXT    NOT NULL CHECK (json_valid(tags)),
  PRIMARY KEY (run, dataset)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_datasets_by_dataset ON run_datasets (dataset, run);

CREATE TABLE logged_models (
  number        INTEGER PRIMARY KEY,
  id            TEXT    NOT NULL UNIQUE CHECK (id <> ''),
  experiment    INTEGER NOT NULL REFERENCES experiments (id),
  name          TEXT    NOT NULL,
  kind          TEXT,
  status        TEXT    NOT NULL CHECK (status IN ('PENDING', 'READY', 'UPLOAD_FAILED')),
  source_run    TEXT,
  location      TEXT    NOT NULL,
  created_at_ms INTEGER NOT NULL,
  updated_at_ms INTEGER NOT NULL,
  is_deleted    INTEGER NOT NULL DEFAULT 0 CHECK (is_deleted IN (0, 1))
) STRICT;

CREATE INDEX logged_models_by_creation ON logged_models (experiment, created_at_ms DESC, id);

CREATE TABLE logged_model_params (
  model INTEGER NOT NULL REFERENCES logged_models (number),
  key   TEXT    NOT NULL,
  value TEXT    NOT NULL,
  PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_model_tags (
  model INTEGER NOT NULL REFERENCES logged_models (number),
  key   TEXT    NOT NULL,
  value TEXT    NOT NULL,
  PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

-- The empty dataset stands for none.
CREATE TABLE logged_model_metrics (
  model          INTEGER NOT NULL REFERENCES logged_models (number),
  key            TEXT    NOT NULL,
  run            TEXT    NOT NULL,
  dataset_name   TEXT    NOT NULL,
  dataset_digest TEXT    NOT NULL,
  at_ms          INTEGER NOT NULL,
  step           INTEGER NOT NULL,
  value          REAL    NOT NULL,
  is_nan         INTEGER NOT NULL CHECK (is_nan IN (0, 1)),
  PRIMARY KEY (model, key, run, dataset_name, dataset_digest, at_ms, step)
) STRICT, WITHOUT ROWID;

-- Logged models that a run has taken (`is_output` = 0) or made.
CREATE TABLE run_logged_models (
  run       INTEGER NOT NULL REFERENCES tracked_runs (number),
  is_output INTEGER NOT NULL CHECK (is_output IN (0, 1)),
  model     TEXT    NOT NULL,
  step      INTEGER NOT NULL,
  PRIMARY KEY (run, is_output, model)
) STRICT, WITHOUT ROWID;

-- Files that clients have put, and results of steps beside them: a path as clients see it, and the hash
-- of the object that is there. No path is ever one of the file system.
CREATE TABLE tracked_files (
  path       TEXT    PRIMARY KEY CHECK (path <> ''),
  hash       BLOB    NOT NULL CHECK (length(hash) = 32),
  size       INTEGER NOT NULL CHECK (size >= 0),
  put_at_us  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE models ADD COLUMN description TEXT;
ALTER TABLE models ADD COLUMN updated_at_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE models ADD COLUMN is_deleted INTEGER NOT NULL DEFAULT 0;
UPDATE models SET updated_at_us = created_at_us;

CREATE TABLE model_tags (
  model INTEGER NOT NULL REFERENCES models (id),
  key   TEXT    NOT NULL,
  value TEXT    NOT NULL,
  PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

-- Every version there is or was: those that steps have registered, which have a row in `model_versions` too,
-- and those that clients have. A number is never given twice.
CREATE TABLE version_records (
  model         INTEGER NOT NULL REFERENCES models (id),
  version       INTEGER NOT NULL CHECK (version > 0),
  source        TEXT    NOT NULL,
  run_id        TEXT,
  run_link      TEXT,
  logged_model  TEXT,
  description   TEXT,
  user_name     TEXT    NOT NULL,
  stage         TEXT    NOT NULL DEFAULT 'None' CHECK (stage IN ('None', 'Staging', 'Production', 'Archived')),
  created_at_us INTEGER NOT NULL,
  updated_at_us INTEGER NOT NULL,
  is_deleted    INTEGER NOT NULL DEFAULT 0 CHECK (is_deleted IN (0, 1)),
  PRIMARY KEY (model, version)
) STRICT;

CREATE INDEX version_records_by_run ON version_records (run_id) WHERE run_id IS NOT NULL;

INSERT INTO version_records (model, version, source, description, user_name, created_at_us, updated_at_us)
SELECT model, version, 'mlflow-artifacts:/registry/' || model || '/' || version, json_extract(draft, '$.description'), '', created_at_us,
       created_at_us
FROM model_versions;

CREATE TABLE version_tags (
  model   INTEGER NOT NULL,
  version INTEGER NOT NULL,
  key     TEXT    NOT NULL,
  value   TEXT    NOT NULL,
  PRIMARY KEY (model, version, key),
  FOREIGN KEY (model, version) REFERENCES version_records (model, version)
) STRICT, WITHOUT ROWID;

-- Aliases may point at versions of either kind.
CREATE TABLE version_aliases (
  model     INTEGER NOT NULL REFERENCES models (id),
  alias     TEXT    NOT NULL CHECK (alias <> ''),
  version   INTEGER NOT NULL,
  set_at_us INTEGER NOT NULL,
  PRIMARY KEY (model, alias),
  FOREIGN KEY (model, version) REFERENCES version_records (model, version)
) STRICT, WITHOUT ROWID;

INSERT INTO version_aliases (model, alias, version, set_at_us) SELECT model, alias, version, set_at_us FROM model_aliases;
DROP TABLE model_aliases;
