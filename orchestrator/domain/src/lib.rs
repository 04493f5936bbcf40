//! trainyard-domain
