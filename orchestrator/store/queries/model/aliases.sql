SELECT alias, version FROM model_aliases WHERE model = ?1 ORDER BY alias
