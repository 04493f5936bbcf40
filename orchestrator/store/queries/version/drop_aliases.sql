DELETE FROM version_aliases WHERE model = ?1 AND version = ?2
