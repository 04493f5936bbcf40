-- Plans that were kept to be applied as they are. Plans of one id say the same.
CREATE TABLE saved_plans (
  id         TEXT    PRIMARY KEY CHECK (length(id) = 64),
  pipeline   TEXT    NOT NULL CHECK (pipeline <> ''),
  made_at_us INTEGER NOT NULL,
  body       TEXT    NOT NULL CHECK (json_valid(body))
) STRICT, WITHOUT ROWID;
