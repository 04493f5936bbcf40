INSERT INTO feature_snapshots
  (view, version, sequence, kind, manifest, rows, added, size, from_us, to_us, folded, run, instance, revision, created_at_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
