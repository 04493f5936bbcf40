SELECT results.event, runs.id, events.body
FROM results JOIN events ON events.id = results.event JOIN runs ON runs.number = results.event >> 32
WHERE results.key = ?1 AND results.at_us >= ?2
