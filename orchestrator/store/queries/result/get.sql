SELECT results.event, events.body FROM results JOIN events ON events.id = results.event
WHERE results.key = ?1 AND results.at_us >= ?2
