SELECT version FROM model_aliases WHERE model = ?1 AND alias = ?2
