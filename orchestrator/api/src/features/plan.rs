//! What a question asks for, resolved once: which rows of which views, and where each value goes.

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
    pub(crate) cells: usize,
}

/// A wanted feature.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) cell: usize,
    /// Its view's place in [`Plan::views`].
    pub(crate) view: usize,
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
                format!("{} features are asked for, and {MOST_FEATURES} are allowed", asked.len()),
            ));
        }
        let mut wanted: IndexMap<&str, (&FeatureView, IndexSet<&str>)> = IndexMap::new();
        for one in &asked {
            match one {
                Asked::Stored { view, name, .. } => {
                    wanted
                        .entry(&view.name)
                        .or_insert_with(|| (view, IndexSet::new()))
                        .1
                        .insert(name);
                }
                Asked::Derived { view, .. } => {
                    return Err(Problem::refused(
                        "on-demand-not-served",
                        format!("`{}` is computed on demand, which this server does not do yet", view.name),
                    ));
                }
            }
        }
        let mut plan = Self::of_views(definitions, &wanted)?;
        plan.add_outputs(&asked, &wanted, key.full_names)?;
        Ok(plan)
    }

    fn of_views(
        definitions: &FeatureDefinitions,
        wanted: &IndexMap<&str, (&FeatureView, IndexSet<&str>)>,
    ) -> Result<Self, Problem> {
        let mut plan = Self {
            views: Vec::with_capacity(wanted.len()),
            outputs: Vec::new(),
            keys: IndexMap::new(),
            others: IndexMap::new(),
            aliases: IndexMap::new(),
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
        wanted: &IndexMap<&str, (&FeatureView, IndexSet<&str>)>,
        full_names: bool,
    ) -> Result<(), Problem> {
        let mut names: IndexSet<String> = IndexSet::new();
        for one in asked {
            let Asked::Stored { view, name, feature } = one else {
                continue;
            };
            let shown = if full_names { one.full_name() } else { (*name).to_owned() };
            let Some((place, _, (_, features))) = wanted.get_full(view.name.as_str()) else {
                continue;
            };
            let (Some(plan), Some(within)) = (self.views.get(place), features.get_index_of(name)) else {
                continue;
            };
            if !names.insert(shown.clone()) {
                // The same feature twice is one column, as a list of references to a view may be.
                let cell = plan.first_cell + within;
                if self.outputs.iter().any(|output| output.name == shown && output.cell == cell) {
                    continue;
                }
                return Err(Problem::refused(
                    "feature-names-collide",
                    format!("two features of different views are called `{shown}`"),
                )
                .help("ask with `full_feature_names`"));
            }
            self.outputs.push(Output {
                name: shown,
                data_type: feature.data_type.clone(),
                cell: plan.first_cell + within,
                view: place,
            });
        }
        Ok(())
    }
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
