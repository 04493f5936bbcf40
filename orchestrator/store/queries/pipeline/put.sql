INSERT INTO pipeline_versions (pipeline, hash, file, sources, current_us) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (pipeline, hash) DO UPDATE SET current_us = excluded.current_us
