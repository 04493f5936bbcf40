INSERT INTO step_usage (pipeline, environment, month, share, core_ms, mib_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (pipeline, environment, month, share) DO UPDATE SET
  core_ms = CASE WHEN step_usage.core_ms < 288230376151711744
    THEN step_usage.core_ms + excluded.core_ms ELSE step_usage.core_ms END,
  mib_ms = CASE WHEN step_usage.mib_ms < 288230376151711744
    THEN step_usage.mib_ms + excluded.mib_ms ELSE step_usage.mib_ms END
