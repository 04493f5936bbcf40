//! The way to a receiver goes over addresses that were checked, and over no others: a name is looked up
//! once, what it stands for is judged, and the connection is made to just that.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use trainyard_domain::notice::{Forbidden, allowed};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// So long a name may take to be looked up.
pub(crate) const LOOKUP: Duration = Duration::from_secs(5);
/// Addresses of a name that are tried.
const MOST: usize = 4;

/// Why there is no way to a receiver.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoWay {
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    #[error("the name could not be looked up")]
    Unknown(#[source] std::io::Error),
    #[error("looking the name up took too long")]
    TooLong,
    #[error("the name stands for no address")]
    Nowhere,
}

/// Looks names up, for itself so that a test can say what they stand for.
pub(crate) trait Lookup: Send + Sync {
    fn addresses(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>>;
}

/// As the system does it, which also knows every odd way to write an address: `127.1`, `0x7f.1`, `2130706433`.
pub(crate) struct System;

impl Lookup for System {
    fn addresses(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        Ok((bare, port).to_socket_addrs()?.collect())
    }
}

/// Where a receiver is to be reached. One address among others that is forbidden makes all of them
/// suspect: a name that stands for both is not a mistake.
pub(crate) fn way(
    lookup: &dyn Lookup,
    host: &str,
    port: u16,
    allow_private: bool,
) -> Result<Vec<SocketAddr>, NoWay> {
    let found = lookup.addresses(host, port).map_err(NoWay::Unknown)?;
    if !allow_private {
        for address in &found {
            allowed(address.ip())?;
        }
    }
    match found.is_empty() {
        true => Err(NoWay::Nowhere),
        false => Ok(found.into_iter().take(MOST).collect()),
    }
}

/// The same within a time.
pub(crate) fn way_in_time(
    host: &str,
    port: u16,
    allow_private: bool,
    patience: Duration,
) -> Result<Vec<SocketAddr>, NoWay> {
    let (sender, receiver) = sync_channel(1);
    let host = host.to_owned();
    // A lookup cannot be ended; one that takes too long is left to itself.
    let began = std::thread::Builder::new()
        .name("lookup".to_owned())
        .spawn(move || sender.send(way(&System, &host, port, allow_private)).ok());
    if let Err(error) = began {
        return Err(NoWay::Unknown(error));
    }
    match receiver.recv_timeout(patience) {
        Ok(way) => way,
        Err(RecvTimeoutError::Timeout) => Err(NoWay::TooLong),
        Err(RecvTimeoutError::Disconnected) => Err(NoWay::Nowhere),
    }
}

/// What HTTP requests look names up by.
pub(crate) struct Guarded {
    pub(crate) allow_private: bool,
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("allow_private", &self.allow_private)
            .finish()
    }
}

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("https") => 443,
            _ => 80,
        });
        let patience = match timeout.after.is_not_happening() {
            true => LOOKUP,
            false => (*timeout.after).min(LOOKUP),
        };
        let way = way_in_time(host, port, self.allow_private, patience)
            .map_err(|error| ureq::Error::Other(Box::new(error)))?;
        let mut resolved = self.empty();
        for address in way {
            resolved.push(address);
        }
        Ok(resolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Answers with the next of its answers each time.
    struct Rebinding(Mutex<Vec<Vec<SocketAddr>>>);

    impl Lookup for Rebinding {
        fn addresses(&self, _: &str, _: u16) -> std::io::Result<Vec<SocketAddr>> {
            Ok(self.0.lock().unwrap().remove(0))
        }
    }

    fn forbidden(host: &str) -> bool {
        matches!(way(&System, host, 80, false), Err(NoWay::Forbidden(_)))
    }

    /// CVE-2026-2393: an internal address in any way to write it that the system understands.
    #[test]
    fn every_way_to_write_this_machine_is_forbidden() {
        let hosts = [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "0177.0.0.1",
            "017700000001",
            "0",
            "0.0.0.0",
            "localhost",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "[::ffff:a9fe:a9fe]",
            "10.1",
            "[fd00::1]",
            "[fe80::1]",
            "[64:ff9b::7f00:1]",
        ];
        let through: Vec<&str> = hosts.into_iter().filter(|host| !forbidden(host)).collect();
        assert_eq!(through, [""; 0]);
        assert!(way(&System, "127.1", 80, true).is_ok(), "if the channel says so");
    }

    #[test]
    fn a_name_with_one_forbidden_address_is_forbidden() {
        let both = vec!["1.1.1.1:80".parse().unwrap(), "127.0.0.1:80".parse().unwrap()];
        let lookup = Rebinding(Mutex::new(vec![both]));
        assert!(matches!(
            way(&lookup, "both", 80, false),
            Err(NoWay::Forbidden(_))
        ));
    }

    /// DNS rebinding: the answer that was checked is the one that is used, and there is no second lookup.
    #[test]
    fn what_was_checked_is_what_is_connected_to() {
        let (public, private): (SocketAddr, SocketAddr) =
            ("1.1.1.1:80".parse().unwrap(), "127.0.0.1:80".parse().unwrap());
        let lookup = Rebinding(Mutex::new(vec![vec![public], vec![private]]));
        assert_eq!(way(&lookup, "rebinding", 80, false).unwrap(), [public]);
        assert_eq!(lookup.0.lock().unwrap().len(), 1, "it was asked once");
    }

    #[test]
    fn a_name_that_does_not_exist_may_exist_later() {
        struct Fails;
        impl Lookup for Fails {
            fn addresses(&self, _: &str, _: u16) -> std::io::Result<Vec<SocketAddr>> {
                Err(std::io::Error::other("no such name"))
            }
        }
        assert!(matches!(way(&Fails, "x", 80, false), Err(NoWay::Unknown(_))));
        let nowhere = Rebinding(Mutex::new(vec![Vec::new()]));
        assert!(matches!(way(&nowhere, "x", 80, false), Err(NoWay::Nowhere)));
    }
}
