SELECT alias, version FROM version_aliases WHERE model = ?1 ORDER BY alias
