//! References to features: `view:feature`, `view@v2:feature`, `view:*`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is no reference to a feature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a feature: write `view:feature`, `view@v2:feature` or `view:*`")]
pub struct InvalidFeatureRef(
    /// The text, cut to 80 characters.
    pub String,
);

/// A feature of a view, or all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FeatureRef {
    /// Name of a feature view or on-demand view.
    pub view: String,
    /// A version of the view other than the present one.
    pub version: Option<u32>,
    pub pick: FeaturePick,
}

/// Which features of a view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeaturePick {
    One(String),
    All,
}

impl FeatureRef {
    /// The one feature that is named; none for `view:*`.
    pub fn feature(&self) -> Option<&str> {
        match &self.pick {
            FeaturePick::One(name) => Some(name),
            FeaturePick::All => None,
        }
    }

    /// A feature of the present version of a view.
    pub fn one(view: impl Into<String>, feature: impl Into<String>) -> Self {
        Self {
            view: view.into(),
            version: None,
            pick: FeaturePick::One(feature.into()),
        }
    }
}

impl FromStr for FeatureRef {
    type Err = InvalidFeatureRef;
    fn from_str(text: &str) -> Result<Self, InvalidFeatureRef> {
        let invalid = || InvalidFeatureRef(text.chars().take(80).collect());
        let is_name = |text: &str| {
            !text.is_empty()
                && text.len() <= 255
                && !text.contains([':', '@', '*'])
                && !text.contains(char::is_whitespace)
        };
        let (view, feature) = text.split_once(':').ok_or_else(invalid)?;
        let (view, version) = match view.split_once("@v") {
            None => (view, None),
            Some((view, number)) => {
                let version = number.parse::<u32>().ok().filter(|version| *version > 0);
                (view, Some(version.ok_or_else(invalid)?))
            }
        };
        let pick = match feature {
            "*" => FeaturePick::All,
            name if is_name(name) => FeaturePick::One(name.to_owned()),
            _ => return Err(invalid()),
        };
        if !is_name(view) {
            return Err(invalid());
        }
        Ok(Self {
            view: view.to_owned(),
            version,
            pick,
        })
    }
}

impl fmt::Display for FeatureRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.view)?;
        if let Some(version) = self.version {
            write!(f, "@v{version}")?;
        }
        match &self.pick {
            FeaturePick::One(name) => write!(f, ":{name}"),
            FeaturePick::All => f.write_str(":*"),
        }
    }
}

impl TryFrom<String> for FeatureRef {
    type Error = InvalidFeatureRef;
    fn try_from(text: String) -> Result<Self, InvalidFeatureRef> {
        text.parse()
    }
}

impl From<FeatureRef> for String {
    fn from(reference: FeatureRef) -> String {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_back_as_printed() {
        for text in ["weather:temp", "weather@v2:temp", "weather:*", "weather@v12:*"] {
            assert_eq!(text.parse::<FeatureRef>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_names_no_view_and_feature_is_refused() {
        for text in [
            "",
            "weather",
            "weather:",
            ":temp",
            "weather@v0:temp",
            "weather@2:temp",
            "weather@v:temp",
            "a:b:c",
            "weather:te mp",
            "weather@v99999999999:temp",
            "weather:**",
        ] {
            assert!(text.parse::<FeatureRef>().is_err(), "{text}");
        }
    }
}
