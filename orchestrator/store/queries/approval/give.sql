UPDATE waiting_approvals SET given = ?3 WHERE run = ?1 AND step = ?2
