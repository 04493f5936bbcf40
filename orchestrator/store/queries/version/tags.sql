SELECT key, value FROM version_tags WHERE model = ?1 AND version = ?2 ORDER BY key
