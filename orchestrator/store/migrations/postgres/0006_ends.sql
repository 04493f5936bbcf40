-- What ended since a moment, for triggers that follow a pipeline.
CREATE INDEX runs_by_end ON runs (pipeline, ended_at_us) WHERE ended_at_us IS NOT NULL;
