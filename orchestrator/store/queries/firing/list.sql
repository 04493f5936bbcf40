SELECT firings.id, firings.pipeline, trigger, kind, at_us, due_us, verdict, firings.reason, runs.id
FROM firings LEFT JOIN runs ON runs.number = firings.run
WHERE firings.id < ?1 AND (?3 IS NULL OR firings.pipeline = ?3) AND (?4 IS NULL OR trigger = ?4)
ORDER BY firings.id DESC LIMIT ?2
