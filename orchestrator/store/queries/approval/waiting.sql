SELECT runs.id, runs.number, runs.pipeline, runs.created_by, waiting_approvals.step,
       waiting_approvals.asked_at_us, waiting_approvals.given
FROM waiting_approvals JOIN runs ON runs.number = waiting_approvals.run
ORDER BY waiting_approvals.asked_at_us, waiting_approvals.run, waiting_approvals.step
