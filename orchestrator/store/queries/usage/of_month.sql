SELECT CAST(coalesce(sum(core_ms), 0) AS BIGINT), CAST(coalesce(sum(mib_ms), 0) AS BIGINT) FROM step_usage
WHERE pipeline = ?1 AND environment = ?2 AND month = ?3
