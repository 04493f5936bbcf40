SELECT feature_views.name, feature_snapshots.version, feature_snapshots.sequence
FROM feature_snapshots JOIN feature_views ON feature_views.id = feature_snapshots.view
WHERE feature_snapshots.run = ?1 ORDER BY feature_views.name, feature_snapshots.version, feature_snapshots.sequence
