//! trainyard-steps
