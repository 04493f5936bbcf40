//! trainyard-engine
