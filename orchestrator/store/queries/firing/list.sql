SELECT firings.id, firings.pipeline, trigger, kind, at_us, due_us, verdict, firings.reason, runs.id
FROM firings LEFT JOIN runs ON runs.number = firings.run
WHERE firings.id < ?1 AND firings.pipeline = coalesce(?3, firings.pipeline)
  AND firings.trigger = coalesce(?4, firings.trigger)
ORDER BY firings.id DESC LIMIT ?2
