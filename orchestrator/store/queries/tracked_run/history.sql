SELECT at_ms, step, value, is_nan FROM run_metrics WHERE run = ?1 AND key = ?2
ORDER BY at_ms, step, value LIMIT ?3 OFFSET ?4
