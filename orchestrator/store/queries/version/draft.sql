SELECT draft FROM model_versions WHERE model = ?1 AND version = ?2
