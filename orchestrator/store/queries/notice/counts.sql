SELECT channel, pipeline, state, count(*), min(made_us) FROM notices
WHERE state IN ('waiting', 'dead') GROUP BY channel, pipeline, state ORDER BY channel, pipeline, state
