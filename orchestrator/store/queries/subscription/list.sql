SELECT name, origin, body, changed_us, changed_by FROM subscriptions ORDER BY name
