//! trainyard-models
