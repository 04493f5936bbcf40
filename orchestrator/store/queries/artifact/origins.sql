SELECT artifacts.output, runs.id, events.body
FROM artifacts JOIN runs ON runs.number = artifacts.event >> 32 JOIN events ON events.id = artifacts.event
WHERE artifacts.hash = ?1 ORDER BY artifacts.event DESC LIMIT ?2
