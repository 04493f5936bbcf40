DELETE FROM subscriptions WHERE name = ?1 AND origin = ?2
