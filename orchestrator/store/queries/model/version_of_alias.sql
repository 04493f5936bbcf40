SELECT version FROM version_aliases WHERE model = ?1 AND alias = ?2
