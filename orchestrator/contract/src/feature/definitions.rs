//! All definitions of a project, and what a list of references asks of them.

use super::{
    DerivedFeature, Entity, Feature, FeaturePick, FeatureRef, FeatureService, FeatureView, OnDemandView,
};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// A feature view, on-demand view, feature or service that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownFeature {
    #[error("there is no feature view `{view}`")]
    View { view: String },
    #[error("the feature view `{view}` has no feature `{feature}`")]
    Feature { view: String, feature: String },
    #[error("there is no feature service `{service}`")]
    Service { service: String },
}

/// The definitions of a project, each by its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureDefinitions {
    #[serde(default)]
    pub entities: IndexMap<String, Entity>,
    #[serde(default)]
    pub views: IndexMap<String, FeatureView>,
    /// Their names and those of views differ.
    #[serde(default)]
    pub on_demand: IndexMap<String, OnDemandView>,
    #[serde(default)]
    pub services: IndexMap<String, FeatureService>,
}

/// One feature that is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asked<'a> {
    Stored {
        view: &'a FeatureView,
        name: &'a str,
        feature: &'a Feature,
    },
    Derived {
        view: &'a OnDemandView,
        name: &'a str,
        feature: &'a DerivedFeature,
    },
}

impl<'a> Asked<'a> {
    /// Name of the feature.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Stored { name, .. } | Self::Derived { name, .. } => name,
        }
    }

    /// Name of its view.
    pub fn view_name(&self) -> &'a str {
        match self {
            Self::Stored { view, .. } => &view.name,
            Self::Derived { view, .. } => &view.name,
        }
    }

    /// `view__feature`.
    pub fn full_name(&self) -> String {
        format!("{}__{}", self.view_name(), self.name())
    }
}

impl FeatureDefinitions {
    /// Whether nothing is defined.
    pub fn is_empty(&self) -> bool {
        let Self {
            entities,
            views,
            on_demand,
            services,
        } = self;
        entities.is_empty() && views.is_empty() && on_demand.is_empty() && services.is_empty()
    }

    /// The features that references ask for, in their order; `view:*` stands for all in the view's order. The
    /// references' versions are not looked at: only the store knows earlier ones.
    ///
    /// # Errors
    /// The first view or feature that is not there.
    pub fn expand<'a>(&'a self, references: &[FeatureRef]) -> Result<Vec<Asked<'a>>, UnknownFeature> {
        let mut asked = Vec::new();
        for reference in references {
            let unknown = |feature: &str| UnknownFeature::Feature {
                view: reference.view.clone(),
                feature: feature.to_owned(),
            };
            if let Some(view) = self.views.get(&reference.view) {
                let stored =
                    |(name, feature): (&'a String, &'a Feature)| Asked::Stored { view, name, feature };
                match &reference.pick {
                    FeaturePick::All => asked.extend(view.features.iter().map(stored)),
                    FeaturePick::One(name) => {
                        let found = view.features.get_key_value(name);
                        asked.push(found.map(stored).ok_or_else(|| unknown(name))?);
                    }
                }
            } else if let Some(view) = self.on_demand.get(&reference.view) {
                let derived = |(name, feature): (&'a String, &'a DerivedFeature)| Asked::Derived {
                    view,
                    name,
                    feature,
                };
                match &reference.pick {
                    FeaturePick::All => asked.extend(view.features.iter().map(derived)),
                    FeaturePick::One(name) => {
                        let found = view.features.get_key_value(name);
                        asked.push(found.map(derived).ok_or_else(|| unknown(name))?);
                    }
                }
            } else {
                return Err(UnknownFeature::View {
                    view: reference.view.clone(),
                });
            }
        }
        Ok(asked)
    }

    /// The references of a service.
    ///
    /// # Errors
    /// If there is no such service.
    pub fn service(&self, name: &str) -> Result<&FeatureService, UnknownFeature> {
        self.services.get(name).ok_or_else(|| UnknownFeature::Service {
            service: name.to_owned(),
        })
    }
}
