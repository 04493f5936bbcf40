DELETE FROM version_tags WHERE model = ?1 AND version = ?2 AND key = ?3
