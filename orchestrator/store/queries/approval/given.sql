SELECT given FROM waiting_approvals WHERE run = ?1 AND step = ?2
