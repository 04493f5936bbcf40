-- Newest first, of those made until ?3 with a sequence below ?4.
SELECT sequence, kind, manifest, rows, added, size, from_us, to_us, folded, run, instance, revision, created_at_us
FROM feature_snapshots WHERE view = ?1 AND version = ?2 AND created_at_us <= ?3 AND sequence < ?4
ORDER BY sequence DESC LIMIT ?5
