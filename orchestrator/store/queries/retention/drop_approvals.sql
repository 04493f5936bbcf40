DELETE FROM waiting_approvals WHERE run = ?1
