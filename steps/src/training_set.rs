//! `features.training_set@v1`: entity rows with the features that were known at their times.
//!
//! Each entity row is looked up in each view as of its own time; no row is dropped and their order is kept. What is
//! found is decided in `trainyard_features::point_in_time`. The entity rows are taken in parts, so that neither they nor
//! the views need fit into memory.

mod facts;
mod found;
mod plan;
mod report;

use crate::historical::{Entities, ViewRows};
use crate::inference;
use crate::sink::Sink;
use crate::table::{self, Table};
use found::FoundInView;
use indexmap::IndexMap;
use plan::{Out, Plan};
use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, PolarsError, Series};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use trainyard_contract::feature::FeatureDefinitions;
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
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
                min: 2,
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
        let inputs: Vec<&str> = request.inputs.keys().map(String::as_str).collect();
        let entities = match request.inputs.get(ENTITIES) {
            Some(Shape::Table(schema)) => Some(schema),
            _ => None,
        };
        let planned = Plan::new(&params, request.features, entities, &inputs);
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

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let definitions = io.spec().features.clone();
        let inputs: Vec<String> = io.spec().inputs.keys().cloned().collect();
        let entities = table::open(io, ENTITIES)?;
        for note in &entities.notes {
            io.log(note.clone());
        }
        let plan = planned(&params, &definitions, &entities.schema, &inputs)?;
        let mut views = Vec::with_capacity(plan.views.len());
        for view in &plan.views {
            views.push(view_rows(io, view)?);
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

/// What is asked for, or what a check would have said before the run.
pub(crate) fn planned(
    params: &Params,
    definitions: &FeatureDefinitions,
    entities: &Schema,
    inputs: &[String],
) -> Result<Plan, StepError> {
    let names: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let planned = Plan::new(params, definitions, Some(entities), &names);
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

/// The rows of a view: a table with the columns of its source.
fn view_rows(io: &mut StepIo, view: &plan::ViewPlan) -> Result<ViewRows, StepError> {
    let name = view.ask.view.name.as_str();
    let table = table::open(io, name)?;
    for note in &table.notes {
        io.log(note.clone());
    }
    let rows = table.height()?;
    io.rows_in(rows as u64);
    ViewRows::of_table(&view.ask.view, &table.frame, rows)
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
    let mut columns: Vec<Column> = Vec::with_capacity(plan.outputs.len());
    for out in &plan.outputs {
        let Out {
            view, feature, name, ..
        } = out;
        let joined = looked_up
            .get(*view)
            .ok_or_else(|| StepError::internal(format!("there is no view {view}")))?;
        let mut column = joined.features.column(feature).map_err(internal)?.clone();
        column.rename(name.as_str().into());
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
