DELETE FROM version_aliases WHERE model = ?1
