//! What a question asks for, resolved once: which rows of which views, and where each value goes.

use super::on_demand::DerivedPlan;
use crate::problem::{Problem, cut};
use indexmap::{IndexMap, IndexSet};
use trainyard_contract::DataType;
use trainyard_contract::feature::{
    Asked, FeatureDefinitions, FeatureRef, FeatureView, InvalidFeatureRef, Key, UnknownFeature,
};
use trainyard_contract::finding::nearest;
use trainyard_features::online::{Field, ViewId};

/// Features of one question.
const MOST_FEATURES: usize = 2_000;

/// What tells questions apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PlanKey {
    pub(crate) service: Option<String>,
    pub(crate) features: Vec<String>,
    /// Whether features go by `view__feature`.
    pub(crate) full_names: bool,
}

/// Where the values of a question come from. Every wanted value has a cell.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) views: Vec<ViewPlan>,
    /// In the order in which they were asked for.
    pub(crate) outputs: Vec<Output>,
    /// Keys that the question has to bring, by name.
    pub(crate) keys: IndexMap<String, DataType>,
    /// Other columns that a question may bring: keys of other views, and what stands for a key of another name.
    pub(crate) others: IndexMap<String, DataType>,
    /// Entities whose one key goes by another name: a question may name either.
    pub(crate) aliases: IndexMap<String, String>,
    /// What on-demand features want besides, by name.
    pub(crate) request: IndexMap<String, DataType>,
    pub(crate) derived: Vec<DerivedPlan>,
    pub(crate) cells: usize,
}

/// A wanted feature.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) cell: usize,
    /// Its view's place in [`Plan::views`]; none if it is computed.
    pub(crate) view: Option<usize>,
}

/// What is looked up in a view.
#[derive(Debug)]
pub(crate) struct ViewPlan {
    pub(crate) id: ViewId,
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) keys: Vec<Key>,
    pub(crate) wanted: Vec<Field>,
    /// The cell of the first; the others follow.
    pub(crate) first_cell: usize,
    /// Microseconds.
    pub(crate) ttl: Option<i64>,
    /// Microseconds.
    pub(crate) freshness: Option<i64>,
}

impl From<UnknownFeature> for Problem {
    fn from(unknown: UnknownFeature) -> Self {
        let code = match &unknown {
            UnknownFeature::View { .. } => "feature-view-not-found",
            UnknownFeature::Feature { .. } => "feature-not-found",
            UnknownFeature::Service { .. } => "feature-service-not-found",
        };
        Self::not_found(code, unknown.to_string())
    }
}

impl From<InvalidFeatureRef> for Problem {
    fn from(invalid: InvalidFeatureRef) -> Self {
        Self::refused("feature-reference-invalid", invalid.to_string())
    }
}

fn micros(span: trainyard_contract::Millis) -> i64 {
    i64::try_from(span.0).unwrap_or(i64::MAX).saturating_mul(1000)
}

impl Plan {
    pub(crate) fn new(definitions: &FeatureDefinitions, key: &PlanKey) -> Result<Self, Problem> {
        let references = references(definitions, key)?;
        let asked = definitions.expand(&references).map_err(|unknown| {
            let near = match &unknown {
                UnknownFeature::View { view } => {
                    nearest(view, definitions.views.keys().map(String::as_str)).map(str::to_owned)
                }
                UnknownFeature::Feature { view, feature } => definitions
                    .views
                    .get(view)
                    .and_then(|view| nearest(feature, view.features.keys().map(String::as_str)))
                    .map(str::to_owned),
                UnknownFeature::Service { .. } => None,
            };
            let problem = Problem::from(unknown);
            match near {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem,
            }
        })?;
        if asked.len() > MOST_FEATURES {
            return Err(Problem::refused(
                "too-many-features",
                format!(
                    "{} features are asked for, and {MOST_FEATURES} are allowed",
                    asked.len()
                ),
            ));
        }
        let mut wanted: Wanted<'_> = IndexMap::new();
        let mut on_demand: IndexSet<&str> = IndexSet::new();
        for one in &asked {
            match one {
                Asked::Stored { view, name, .. } => want(&mut wanted, view, name),
                Asked::Derived { view, .. } => {
                    on_demand.insert(&view.name);
                }
            }
        }
        for view in on_demand
            .iter()
            .filter_map(|name| definitions.on_demand.get(*name))
        {
            for input in definitions.expand(&view.inputs)? {
                if let Asked::Stored { view, name, .. } = input {
                    want(&mut wanted, view, name);
                }
            }
        }
        let mut plan = Self::of_views(definitions, &wanted)?;
        for view in on_demand
            .iter()
            .filter_map(|name| definitions.on_demand.get(*name))
        {
            let derived = DerivedPlan::new(definitions, &wanted, view, &mut plan.cells)?;
            for field in &derived.request {
                plan.request.insert(field.name.clone(), field.data_type.clone());
            }
            plan.derived.push(derived);
        }
        plan.add_outputs(&asked, &wanted, key.full_names)?;
        Ok(plan)
    }

    fn of_views(definitions: &FeatureDefinitions, wanted: &Wanted<'_>) -> Result<Self, Problem> {
        let mut plan = Self {
            views: Vec::with_capacity(wanted.len()),
            outputs: Vec::new(),
            keys: IndexMap::new(),
            others: IndexMap::new(),
            aliases: IndexMap::new(),
            request: IndexMap::new(),
            derived: Vec::new(),
            cells: 0,
        };
        for (view, features) in wanted.values() {
            if !view.online {
                return Err(Problem::refused(
                    "feature-view-not-online",
                    format!("the feature view `{}` is not kept for online lookup", view.name),
                )
                .help("write `online: true` in its definition, then materialise it"));
            }
            for key in &view.keys {
                plan.keys.insert(key.name.clone(), key.data_type.clone());
            }
            let field = |name: &&str| {
                let feature = view.features.get(*name)?;
                Some(Field {
                    name: (*name).to_owned(),
                    data_type: feature.data_type.clone(),
                })
            };
            plan.views.push(ViewPlan {
                id: ViewId::of(view),
                name: view.name.clone(),
                version: view.version,
                keys: view.keys.clone(),
                wanted: features.iter().filter_map(field).collect(),
                first_cell: plan.cells,
                ttl: view.ttl.map(micros),
                freshness: view.freshness.map(micros),
            });
            plan.cells += features.len();
        }
        for entity in definitions.entities.values() {
            for key in &entity.keys {
                if !plan.keys.contains_key(&key.name) {
                    plan.others.insert(key.name.clone(), key.data_type.clone());
                }
            }
        }
        for entity in definitions.entities.values() {
            if let [key] = entity.keys.as_slice()
                && !plan.keys.contains_key(&entity.name)
                && !plan.others.contains_key(&entity.name)
            {
                plan.aliases.insert(entity.name.clone(), key.name.clone());
            }
        }
        Ok(plan)
    }

    fn add_outputs(
        &mut self,
        asked: &[Asked<'_>],
        wanted: &Wanted<'_>,
        full_names: bool,
    ) -> Result<(), Problem> {
        let mut names: IndexSet<String> = IndexSet::new();
        for one in asked {
            let found = match one {
                Asked::Stored { view, name, .. } => {
                    wanted
                        .get_full(view.name.as_str())
                        .and_then(|(place, _, (_, features))| {
                            let cell = self.views.get(place)?.first_cell + features.get_index_of(name)?;
                            Some((cell, Some(place)))
                        })
                }
                Asked::Derived { view, name, .. } => {
                    let derived = self.derived.iter().find(|derived| derived.view == view.name);
                    derived
                        .and_then(|derived| derived.cell_of(name))
                        .map(|cell| (cell, None))
                }
            };
            let Some((cell, view)) = found else {
                continue;
            };
            let name = if full_names {
                one.full_name()
            } else {
                one.name().to_owned()
            };
            if !names.insert(name.clone()) {
                // The same feature twice is one column, as where a list names a view and one of its features.
                if self.outputs.iter().any(|output| output.cell == cell) {
                    continue;
                }
                return Err(Problem::refused(
                    "feature-names-collide",
                    format!("two features of different views are called `{name}`"),
                )
                .help("ask for full names"));
            }
            self.outputs.push(Output { name, cell, view });
        }
        Ok(())
    }
}

/// Views in the order in which they are first wanted, with what is wanted of each.
pub(crate) type Wanted<'a> = IndexMap<&'a str, (&'a FeatureView, IndexSet<&'a str>)>;

fn want<'a>(wanted: &mut Wanted<'a>, view: &'a FeatureView, name: &'a str) {
    let (_, names) = wanted
        .entry(&view.name)
        .or_insert_with(|| (view, IndexSet::new()));
    names.insert(name);
}

fn references(definitions: &FeatureDefinitions, key: &PlanKey) -> Result<Vec<FeatureRef>, Problem> {
    let references = match &key.service {
        Some(service) if key.features.is_empty() => definitions
            .service(service)
            .map_err(|unknown| {
                let near = nearest(service, definitions.services.keys().map(String::as_str));
                match near {
                    Some(near) => Problem::from(unknown).help(format!("did you mean `{near}`?")),
                    None => Problem::from(unknown),
                }
            })?
            .features
            .clone(),
        Some(_) => {
            return Err(Problem::refused(
                "features-twice",
                "a question names features or a feature service, not both",
            ));
        }
        None => key
            .features
            .iter()
            .map(|text| text.parse())
            .collect::<Result<Vec<FeatureRef>, _>>()?,
    };
    if references.is_empty() {
        return Err(Problem::refused("features-missing", "no features are asked for")
            .help("name `features` as `view:feature`, or a `feature_service`"));
    }
    for reference in &references {
        let view = definitions.views.get(&reference.view);
        if let (Some(version), Some(view)) = (reference.version, view)
            && version != view.version
        {
            return Err(Problem::not_found(
                "feature-view-version-not-found",
                format!(
                    "the feature view `{}` is at version {}, and version {version} is not served",
                    cut(&view.name),
                    view.version
                ),
            ));
        }
    }
    Ok(references)
}
