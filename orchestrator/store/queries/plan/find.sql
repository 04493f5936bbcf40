SELECT body FROM saved_plans WHERE substr(id, 1, length(?1)) = ?1 ORDER BY made_at_us DESC LIMIT 2
