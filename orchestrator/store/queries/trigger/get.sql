SELECT body FROM trigger_states WHERE pipeline = ?1 AND trigger = ?2
