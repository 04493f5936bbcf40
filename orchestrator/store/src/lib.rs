//! trainyard-store
