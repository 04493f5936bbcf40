//! Pipelines: from text to a definition in which nothing unresolved can stand.
