//! trainyard-executors
