-- Plans that were kept to be applied as they are. Plans of one id say the same.
CREATE TABLE saved_plans (
  id         text COLLATE "C" PRIMARY KEY CHECK (length(id) = 64),
  pipeline   text COLLATE "C" NOT NULL CHECK (pipeline <> ''),
  made_at_us bigint NOT NULL,
  body       text NOT NULL
);
