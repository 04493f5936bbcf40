SELECT id FROM feature_views ORDER BY name
