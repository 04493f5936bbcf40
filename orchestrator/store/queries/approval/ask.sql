INSERT INTO waiting_approvals (run, step, asked_at_us) VALUES (?1, ?2, ?3)
ON CONFLICT (run, step) DO UPDATE SET asked_at_us = excluded.asked_at_us, given = '[]'
