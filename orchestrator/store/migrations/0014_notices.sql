-- Channels as they were declared last: `pipeline` is '' for those of the project, `origin` says whether a file
-- declares them or somebody over the API. Of what is secret only names stand here.
CREATE TABLE channels (
  pipeline   TEXT    NOT NULL,
  name       TEXT    NOT NULL CHECK (name <> ''),
  origin     TEXT    NOT NULL CHECK (origin IN ('file', 'api')),
  body       TEXT    NOT NULL CHECK (json_valid(body)),
  changed_us INTEGER NOT NULL,
  changed_by TEXT    NOT NULL,
  PRIMARY KEY (pipeline, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE subscriptions (
  name       TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
  origin     TEXT    NOT NULL CHECK (origin IN ('file', 'api')),
  body       TEXT    NOT NULL CHECK (json_valid(body)),
  changed_us INTEGER NOT NULL,
  changed_by TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- What is to be told to a channel, written in the transaction of what caused it. A lane is the waiting
-- rows of a channel and subject: they are sent by their number. A lease ends at `leased_until_us`; `claim` goes up
-- with each, so that whoever lost one cannot speak for the row any more.
CREATE TABLE notices (
  number          INTEGER PRIMARY KEY AUTOINCREMENT,
  event           TEXT    NOT NULL CHECK (event <> ''),
  kind            TEXT    NOT NULL CHECK (kind <> ''),
  subject         TEXT    NOT NULL,
  pipeline        TEXT    NOT NULL,
  channel         TEXT    NOT NULL CHECK (channel <> ''),
  body            TEXT    NOT NULL CHECK (json_valid(body)),
  state           TEXT    NOT NULL CHECK (state IN ('waiting', 'delivered', 'folded', 'dead')),
  made_us         INTEGER NOT NULL,
  due_us          INTEGER NOT NULL,
  tries           INTEGER NOT NULL DEFAULT 0,
  claim           INTEGER NOT NULL DEFAULT 0,
  owner           TEXT,
  leased_until_us INTEGER NOT NULL DEFAULT 0,
  settled_us      INTEGER,
  error           TEXT,
  UNIQUE (channel, pipeline, event)
) STRICT;

CREATE INDEX notices_lanes ON notices (channel, pipeline, subject, number) WHERE state = 'waiting';
CREATE INDEX notices_waiting ON notices (channel, pipeline, number) WHERE state = 'waiting';
CREATE INDEX notices_settled ON notices (settled_us) WHERE settled_us IS NOT NULL;
