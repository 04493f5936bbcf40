SELECT id FROM feature_views WHERE name = ?1
