SELECT DISTINCT step FROM run_metrics WHERE run = ?1 AND key = ?2 AND step BETWEEN ?3 AND ?4 ORDER BY step
