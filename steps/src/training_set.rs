//! `features.training_set@v1`: entity rows with the features that were known at their times.
//!
//! Each entity row is looked up in each view as of its own time; no row is dropped and their order is kept. What is
//! found is decided in `trainyard_features::point_in_time`. The entity rows are taken in parts, so that neither they nor
//! the views need fit into memory.

mod asking;
mod facts;
mod found;
mod on_demand;
mod plan;
mod report;

pub use asking::{HistoricalAnswer, HistoricalRequest, RowsOfView, get_historical, views_of};

use crate::historical::{Entities, ViewRows};
use crate::inference;
use crate::offline::ViewReader;
use crate::sink::Sink;
use crate::table::{self, Table};
use found::FoundInView;
use indexmap::IndexMap;
use plan::{Made, Plan};
use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, PolarsError, Series};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use trainyard_contract::feature::{FeatureDefinitions, FeatureRef, FeatureView};
use trainyard_contract::step::{Effect, FeatureUse, InputPort, Ports, Runner, Signature};
use trainyard_contract::task::TaskInput;
use trainyard_contract::{
    ArtifactKind, Finding, InferRequest, Inference, Schema, Severity, Shape, Step, StepError, StepIo,
};
use trainyard_features::point_in_time::{self, NO_TIME};

/// Name of the input with the entity rows.
pub(crate) const ENTITIES: &str = "entities";

/// Entity rows that are held at once.
const PART: usize = 1 << 22;

/// Parameters of `features.training_set@v1`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Features to look up: `view:feature`, `view:*` for all of a view, `view@v2:feature` for those of a version. They
    /// become columns in this order, after those of the service. Default: those of the service alone.
    #[serde(default)]
    features: Vec<String>,
    /// A feature service whose features are looked up. Default: none.
    #[serde(default)]
    service: Option<String>,
    /// Column of the entity rows with the time as of which they are looked up: a date (its first moment) or a timestamp
    /// (without a time zone: of UTC). Default: the event time of their contract.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    event_time: Option<String>,
    /// Key of the views → column of the entity rows, where that is called otherwise. Default: the same names.
    #[serde(default)]
    keys: IndexMap<String, String>,
    /// How long before the event time features are looked up, because the prediction is made then: a duration, or
    /// view → duration. Default: `0s`.
    #[serde(default)]
    lag: Option<Lag>,
    /// Which times of a view's row must have passed: that of its `event` or, where the view has one, that at which it was
    /// `created` as well, so that what came late is not seen too early. Default: `event`.
    #[serde(default)]
    known_at: KnownBy,
    /// Names columns `view__feature` instead of `feature`. Default: false.
    #[serde(default)]
    full_feature_names: bool,
    /// Adds a column `view__event_time` for each view, with the event time of the row that was found. Default: false.
    #[serde(default)]
    event_times: bool,
    /// The moment of the entity rows' contract at which the prediction is made; no feature may be known later. Default:
    /// that of the entity rows, if they have one.
    #[serde(default)]
    predict_at: Option<String>,
    /// Column of the entity rows that is to be predicted. Default: that of the entity rows, if they have one.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    label: Option<String>,
    /// Columns of the entity rows that are features as well. Default: those that an earlier step said are.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    keep: Vec<String>,
}

/// How long before the event time views are looked at.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Lag {
    /// The same for all views, e.g. `24h`.
    All(#[schemars(extend("x-kind" = "duration"))] String),
    /// View → duration; others without a lag.
    ByView(#[schemars(extend("x-kind" = "duration"))] IndexMap<String, String>),
}

/// Which times of a view's row must have passed.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KnownBy {
    /// That of the event.
    #[default]
    Event,
    /// That of the event and that at which the row was written.
    Created,
}

impl From<KnownBy> for point_in_time::KnownBy {
    fn from(known: KnownBy) -> Self {
        match known {
            KnownBy::Event => Self::Event,
            KnownBy::Created => Self::Created,
        }
    }
}

pub(crate) struct FeaturesTrainingSet;

impl Step for FeaturesTrainingSet {
    fn uses(&self) -> &'static str {
        "features.training_set@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Adds to each entity row the features of feature views as they were at the row's own time.",
            inputs: Ports::Any {
                kinds: vec![ArtifactKind::Table],
                min: 1,
            },
            outputs: Ports::Named(vec![
                InputPort::required(
                    "table",
                    ArtifactKind::Table,
                    "the entity rows in their order, with the features",
                ),
                InputPort::optional(
                    "report",
                    ArtifactKind::Report,
                    "how many rows found something in each view, and how old it was",
                ),
            ]),
            params: schemars::schema_for!(Params).to_value(),
            revision: 1,
            effect: Effect::None,
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        let params: Params = match inference::parameters(request) {
            Ok(params) => params,
            Err(answer) => return answer,
        };
        let mut answer = inference::unknown_tables(request);
        let tables = request.inputs.iter();
        let tables: Vec<&str> = tables
            .filter(|(_, shape)| matches!(shape, Shape::Table(_)))
            .map(|(name, _)| name.as_str())
            .collect();
        let entities = match request.inputs.get(ENTITIES) {
            Some(Shape::Table(schema)) => Some(schema),
            _ => None,
        };
        let planned = Plan::resolve(&params, request.features, entities, &tables);
        answer.findings = planned.findings;
        if let (Some(plan), Some(entities)) = (planned.plan, entities) {
            let views = plan.views.iter().map(|view| {
                let schema = inference::table(request, &view.ask.view.name);
                (view.ask.view.name.as_str(), schema)
            });
            let views: BTreeMap<&str, Option<&Schema>> = views.collect();
            answer.findings.extend(plan.unfit(&views));
            let flow = facts::of_output(&plan, entities, &views);
            answer
                .findings
                .extend(facts::leaks(&params, &plan, entities, &flow));
            answer.uses = flow.uses();
            for output in request
                .outputs
                .iter()
                .filter(|(_, declared)| declared.kind == ArtifactKind::Table)
                .map(|(name, _)| name)
            {
                answer.lineage.extend(flow.edges(output));
                let schema = facts::schema(&params, &plan, entities, &flow);
                answer.outputs.insert(output.clone(), Shape::Table(schema));
            }
        }
        inference::sifted(request, answer)
    }

    fn features(&self, with: &serde_json::Value) -> FeatureUse {
        let Ok(params) = serde_json::from_value::<Params>(with.clone()) else {
            return FeatureUse::default();
        };
        let references = params.features.iter();
        let references = references.filter_map(|text| text.parse::<FeatureRef>().ok());
        let views = references.map(|reference| match reference.version {
            Some(version) => format!("{}@v{version}", reference.view),
            None => reference.view,
        });
        FeatureUse {
            reads: views.chain(params.service).collect(),
            writes: None,
        }
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let definitions = definitions(io);
        let tables: Vec<String> = io
            .spec()
            .inputs
            .iter()
            .filter(|(_, input)| !matches!(input, TaskInput::Features(_) | TaskInput::Absent))
            .map(|(name, _)| name.clone())
            .collect();
        let entities = table::open(io, ENTITIES)?;
        for note in &entities.notes {
            io.log(note.clone());
        }
        let plan = planned(&params, &definitions, &entities.schema, &tables)?;
        let mut views = Vec::with_capacity(plan.views.len());
        for view in &plan.views {
            views.push(view_rows(io, &view.ask.view, view.version)?);
        }
        let rows = entities.height()?;
        io.rows_in(rows as u64);
        let mut sink = Sink::new(io.staging_path()?);
        let mut found: Vec<FoundInView> = plan.views.iter().map(FoundInView::new).collect();
        let mut from = 0;
        loop {
            let part = part(&entities, from)?;
            from += PART;
            sink.push(with_features(&plan, part, &views, &mut found)?)?;
            io.progress(from.min(rows) as u64, rows as u64, "rows");
            if from >= rows {
                break;
            }
        }
        let known: BTreeMap<&str, Option<&Schema>> = plan
            .views
            .iter()
            .map(|view| (view.ask.view.name.as_str(), None))
            .collect();
        let facts = facts::of_output(&plan, &entities.schema, &known);
        let schema = facts::schema(&params, &plan, &entities.schema, &facts);
        io.lineage(facts.edges("table"));
        for view in &found {
            io.log(view.sentence());
            view.measure(io);
        }
        io.headline(format!(
            "{} rows, {} features of {} views",
            table::grouped(rows as u64),
            plan.outputs.len(),
            plan.views.len()
        ));
        if io.wants("report") {
            report::write(io, rows as u64, &found)?;
        }
        let Some((path, rows)) = sink.finish()? else {
            return Err(StepError::internal("no rows were written"));
        };
        io.keep_table("table", &path, schema, rows)?;
        Ok(())
    }
}

/// What is asked for, or what a check would have said before the run. `tables` are the views whose rows come as a table
/// with the names of the view's source.
pub(crate) fn planned(
    params: &Params,
    definitions: &FeatureDefinitions,
    entities: &Schema,
    tables: &[String],
) -> Result<Plan, StepError> {
    let names: Vec<&str> = tables.iter().map(String::as_str).collect();
    let planned = Plan::resolve(params, definitions, Some(entities), &names);
    refuse(planned.findings)?;
    planned
        .plan
        .ok_or_else(|| StepError::internal("nothing is asked for and nothing was found wrong"))
}

fn refuse(findings: Vec<Finding>) -> Result<(), StepError> {
    let mut errors = findings.into_iter();
    match errors.find(|finding| finding.severity == Severity::Error) {
        None => Ok(()),
        Some(finding) => {
            let error =
                StepError::rejected(format!("{}: {}: {}", finding.code, finding.path, finding.message));
            Err(match finding.help {
                Some(help) => error.help(help),
                None => error,
            })
        }
    }
}

/// What is defined, with views as their rows that came with the task were written.
fn definitions(io: &StepIo) -> FeatureDefinitions {
    let mut definitions = io.spec().features.clone();
    let inputs = io.spec().inputs.values().filter_map(|input| match input {
        TaskInput::Features(stored) => Some(&**stored),
        _ => None,
    });
    for stored in io.spec().feature_views.values().chain(inputs) {
        definitions
            .views
            .insert(stored.view.name.clone(), stored.view.clone());
    }
    definitions
}

/// The rows of a view: an input that is called as it, or what came with the task.
pub(crate) fn view_rows(
    io: &mut StepIo,
    view: &FeatureView,
    version: Option<u32>,
) -> Result<ViewRows, StepError> {
    let name = view.name.as_str();
    let key = version.map_or_else(|| name.to_owned(), |version| format!("{name}@v{version}"));
    let stored = match io.input(name) {
        Some(TaskInput::Features(stored)) => Some((**stored).clone()),
        Some(TaskInput::Absent) | None => {
            let named = io.spec().feature_views.get(&key);
            let stored = named.or_else(|| io.spec().feature_views.get(name));
            let missing = || {
                StepError::rejected(format!("the feature view `{key}` has no rows"))
                    .help(format!("add `{name}: features:{name}` to the inputs"))
            };
            Some(stored.cloned().ok_or_else(missing)?)
        }
        Some(_) => None,
    };
    if let Some(stored) = stored {
        if version.is_some_and(|version| version != stored.view.version) {
            let message = format!(
                "version {} of the feature view `{name}` came where `{key}` is asked for",
                stored.view.version
            );
            return Err(StepError::rejected(message).help(format!("write `{name}: features:{key}`")));
        }
        let rows = stored
            .snapshot
            .as_ref()
            .and_then(|snapshot| snapshot.manifest.rows);
        io.rows_in(rows.unwrap_or_default());
        let scratch = io.scratch().join(format!("view-{name}"));
        let (_, rows) = ViewReader::open(&crate::offline::objects(io), &stored)?.pieces(&scratch)?;
        return Ok(rows);
    }
    let table = table::open(io, name)?;
    for note in &table.notes {
        io.log(note.clone());
    }
    let rows = table.height()?;
    io.rows_in(rows as u64);
    ViewRows::of_table(view, &table.frame, rows)
}

/// Some of the entity rows.
fn part(entities: &Table, from: usize) -> Result<DataFrame, StepError> {
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    let part = entities
        .frame
        .clone()
        .slice(from, u32::try_from(PART).unwrap_or(u32::MAX));
    table::collect("read the entity rows", part)
}

/// Entity rows with the features that are asked for.
///
/// # Errors
/// `Rejected` if they do not go together, and what reading gives.
pub(crate) fn with_features(
    plan: &Plan,
    mut entities: DataFrame,
    views: &[ViewRows],
    found: &mut [FoundInView],
) -> Result<DataFrame, StepError> {
    let internal = |error: PolarsError| StepError::internal(error.to_string());
    let all: Vec<&ViewRows> = views.iter().collect();
    let mut rows = Entities::new(&entities, &plan.event_time, &all)?;
    let mut looked_up = Vec::with_capacity(views.len());
    for ((view, rows_of_view), found) in plan.views.iter().zip(views).zip(found) {
        let joined = rows.join(&view.ask, rows_of_view)?;
        found.add(&joined, rows.unit);
        looked_up.push(joined);
    }
    let unit = rows.unit;
    let mut computed = Vec::with_capacity(plan.derived.len());
    for derived in &plan.derived {
        computed.push(on_demand::compute(derived, &entities, &looked_up)?);
    }
    let mut columns: Vec<Column> = Vec::with_capacity(plan.outputs.len());
    for out in &plan.outputs {
        let missing = || StepError::internal(format!("there is nothing for `{}`", out.name));
        let mut column = match out.made {
            Made::LookedUp(view) => {
                let joined = looked_up.get(view).ok_or_else(missing)?;
                joined.features.column(&out.feature).map_err(internal)?.clone()
            }
            Made::Computed(view, at) => {
                let made: Option<&Column> = computed.get(view).and_then(|made: &Vec<Column>| made.get(at));
                made.ok_or_else(missing)?.clone()
            }
        };
        column.rename(out.name.as_str().into());
        columns.push(column);
    }
    if plan.event_times {
        for (view, joined) in plan.views.iter().zip(&looked_up) {
            let times: Vec<Option<i64>> = joined
                .times
                .iter()
                .map(|time| (*time != NO_TIME).then_some(*time))
                .collect();
            let name = plan::time_column(&view.ask.view);
            let utc = polars::prelude::TimeZone::opt_try_new(Some("UTC")).map_err(internal)?;
            let data_type = polars::prelude::DataType::Datetime(unit.time_unit(), utc);
            let column = Series::new(name.as_str().into(), times);
            let column = column.cast(&data_type).map_err(internal)?;
            let micro = crate::data_type::to_polars(&plan::time_type());
            columns.push(column.cast(&micro).map_err(internal)?.into_column());
        }
    }
    entities.hstack_mut(&columns).map_err(internal)?;
    Ok(entities)
}

#[cfg(test)]
#[path = "training_set_tests.rs"]
mod tests;
