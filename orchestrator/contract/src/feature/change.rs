//! What a new definition of a view does to those who read the old one.

use super::FeatureView;
use crate::schema::DataType;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A difference between two definitions of a view that readers of the earlier one notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ViewChange {
    /// Keys differ in name, type or order.
    Keys,
    /// Another column says when values hold.
    EventTime {
        was: String,
        is: String,
    },
    /// Another column says when rows were written.
    CreatedTime {
        was: Option<String>,
        is: Option<String>,
    },
    Ttl {
        was: Option<Millis>,
        is: Option<Millis>,
    },
    FeatureGone {
        feature: String,
    },
    FeatureType {
        feature: String,
        was: DataType,
        is: DataType,
    },
    /// Harmless: the same version's next schema.
    FeatureAdded {
        feature: String,
    },
}

impl ViewChange {
    /// Whether rows of the earlier definition cannot be read by the later one, so that the view gets
    /// another version.
    pub fn breaks(&self) -> bool {
        !matches!(self, Self::FeatureAdded { .. })
    }
}

impl fmt::Display for ViewChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = |name: &Option<String>| {
            name.as_ref()
                .map_or("none".to_owned(), |name| format!("`{name}`"))
        };
        let span = |ttl: &Option<Millis>| ttl.map_or("no limit".to_owned(), |ttl| ttl.to_string());
        match self {
            Self::Keys => f.write_str("its keys are others"),
            Self::EventTime { was, is } => write!(f, "its event time was `{was}` and is `{is}`"),
            Self::CreatedTime { was, is } => {
                write!(f, "its created time was {} and is {}", column(was), column(is))
            }
            Self::Ttl { was, is } => write!(f, "its ttl was {} and is {}", span(was), span(is)),
            Self::FeatureGone { feature } => write!(f, "`{feature}` is gone"),
            Self::FeatureType { feature, was, is } => write!(f, "`{feature}` was {was} and is {is}"),
            Self::FeatureAdded { feature } => write!(f, "`{feature}` is new"),
        }
    }
}

/// What is different between two definitions of a view, in the order of keys, times and features; of
/// names, descriptions, tags and sources nothing is said.
pub fn view_changes(was: &FeatureView, is: &FeatureView) -> Vec<ViewChange> {
    let mut changes = Vec::new();
    if was.keys != is.keys {
        changes.push(ViewChange::Keys);
    }
    if was.event_time != is.event_time {
        changes.push(ViewChange::EventTime {
            was: was.event_time.clone(),
            is: is.event_time.clone(),
        });
    }
    if was.created_time != is.created_time {
        changes.push(ViewChange::CreatedTime {
            was: was.created_time.clone(),
            is: is.created_time.clone(),
        });
    }
    if was.ttl != is.ttl {
        changes.push(ViewChange::Ttl {
            was: was.ttl,
            is: is.ttl,
        });
    }
    for (name, feature) in &was.features {
        match is.features.get(name) {
            None => changes.push(ViewChange::FeatureGone {
                feature: name.clone(),
            }),
            Some(now) if now.data_type != feature.data_type => changes.push(ViewChange::FeatureType {
                feature: name.clone(),
                was: feature.data_type.clone(),
                is: now.data_type.clone(),
            }),
            Some(_) => {}
        }
    }
    let added = is
        .features
        .keys()
        .filter(|name| !was.features.contains_key(*name));
    changes.extend(added.map(|name| ViewChange::FeatureAdded {
        feature: name.clone(),
    }));
    changes
}

impl FeatureView {
    /// Whether this definition needs another version than the earlier one it follows.
    pub fn breaks(&self, earlier: &Self) -> bool {
        view_changes(earlier, self).iter().any(ViewChange::breaks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::{Feature, FeatureSource, Key};
    use indexmap::IndexMap;

    fn weather(features: &[(&str, DataType)]) -> FeatureView {
        let feature = |data_type: &DataType| Feature {
            data_type: data_type.clone(),
            description: None,
            unit: None,
            known_at: None,
            classification: None,
        };
        FeatureView {
            name: "weather".into(),
            version: 1,
            entities: vec!["origin".into()],
            keys: vec![Key {
                name: "origin".into(),
                data_type: DataType::String,
            }],
            features: features
                .iter()
                .map(|(name, data_type)| ((*name).to_owned(), feature(data_type)))
                .collect(),
            event_time: "at".into(),
            created_time: None,
            ttl: Some(Millis(3_600_000)),
            online: false,
            source: FeatureSource::Push,
            columns: IndexMap::new(),
            freshness: None,
            description: None,
            owner: None,
            tags: Vec::new(),
        }
    }

    #[test]
    fn an_added_feature_is_the_same_version_and_a_lost_or_retyped_one_is_not() {
        let was = weather(&[("temp", DataType::Float64)]);
        let more = weather(&[("temp", DataType::Float64), ("wind", DataType::Float64)]);
        assert!(!more.breaks(&was));
        assert!(was.breaks(&more));
        let retyped = weather(&[("temp", DataType::Int64)]);
        assert_eq!(
            view_changes(&was, &retyped)[0].to_string(),
            "`temp` was float64 and is int64"
        );
        assert!(retyped.breaks(&was));
    }

    #[test]
    fn keys_times_and_ttl_break_and_words_for_people_do_not() {
        let was = weather(&[("temp", DataType::Float64)]);
        let described = FeatureView {
            description: Some("Weather.".into()),
            online: true,
            freshness: Some(Millis(1)),
            source: FeatureSource::File {
                path: "w.parquet".into(),
                format: None,
            },
            ..was.clone()
        };
        assert_eq!(view_changes(&was, &described), []);
        let other = FeatureView {
            keys: Vec::new(),
            event_time: "hour".into(),
            created_time: Some("loaded".into()),
            ttl: None,
            ..was.clone()
        };
        let said: Vec<String> = view_changes(&was, &other)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            said,
            [
                "its keys are others",
                "its event time was `at` and is `hour`",
                "its created time was none and is `loaded`",
                "its ttl was 1h and is no limit",
            ]
        );
    }
}
