//! `features.verify@v1`: whether the online store answers what a training set would have been given.
//!
//! Some keys of each view are asked for as of one moment, offline by the point-in-time join and online by a lookup, and
//! the answers are held against each other: whether there is one, of when it is, and each value.

mod compare;

use crate::historical::{Entities, ViewAsk, ViewRows, distinct_keys, stored_names};
use crate::inference::{self, with};
use crate::materialise::{failed, open, time, view_of};
use crate::page::{Cell, Page, tile};
use crate::table::grouped;
use crate::training_set::view_rows;
use compare::{Difference, Online, looked_up, values};
use polars::prelude::{Column, DataFrame, DataType as PolarsType, IdxCa, IdxSize, PolarsError, TimeUnit};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use trainyard_contract::feature::FeatureView;
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::task::TaskInput;
use trainyard_contract::{
    ArtifactKind, Finding, InferRequest, Inference, Millis, Shape, Step, StepError, StepIo, Timestamp,
};
use trainyard_features::online::{OnlineStore, ViewId};
use trainyard_features::point_in_time::{KnownBy, NO_TIME};

/// Differences that are shown; the first ones show the pattern.
const SHOWN: usize = 50;
/// The column of times in what is asked offline.
const AT: &str = "__at";

/// Parameters of `features.verify@v1`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// How many keys of each view are asked for, spread over all it has. Default: 1000.
    #[serde(default = "sample")]
    #[schemars(range(min = 1, max = 10_000_000))]
    sample: usize,
    /// The moment as of which is asked. Default: that up to which the online store was filled, view by view.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    at: Option<String>,
    /// Share of keys whose answers may differ, 0 to 1; more fail the step. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    may_differ: f64,
}

fn sample() -> usize {
    1000
}

/// What came of one view.
struct Verified {
    view: String,
    at: Timestamp,
    keys: usize,
    /// Keys for which neither has an answer.
    unanswered: usize,
    /// Keys of which the online store has a row that is newer than what is asked.
    newer: usize,
    /// Keys whose answers differ.
    differing: usize,
    differences: Vec<Difference>,
}

impl Verified {
    fn share(&self) -> f64 {
        if self.keys == 0 {
            return 0.0;
        }
        self.differing as f64 / self.keys as f64
    }

    fn sentence(&self) -> String {
        let mut line = format!(
            "{}: {} of {} keys differ as of {}",
            self.view,
            grouped(self.differing as u64),
            grouped(self.keys as u64),
            compare::instant(self.at.0)
        );
        if self.newer > 0 {
            line.push_str(&format!(
                "; {} could not be compared, the online store has something newer",
                grouped(self.newer as u64)
            ));
        }
        line
    }

    fn document(&self) -> Value {
        json!({
            "view": self.view,
            "at": compare::instant(self.at.0),
            "keys": self.keys,
            "unanswered": self.unanswered,
            "newer_online": self.newer,
            "differing": self.differing,
            "share": self.share(),
            "differences": self.differences.iter().map(Difference::document).collect::<Vec<_>>(),
        })
    }
}

pub(crate) struct FeaturesVerify;

impl Step for FeaturesVerify {
    fn uses(&self) -> &'static str {
        "features.verify@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Holds the online store against the feature views' rows: the same keys and times must give the same values.",
            inputs: Ports::Any {
                kinds: vec![ArtifactKind::Table],
                min: 1,
            },
            outputs: Ports::Named(vec![InputPort::optional(
                "report",
                ArtifactKind::Report,
                "how many keys were asked for and which answers differ",
            )]),
            params: schemars::schema_for!(Params).to_value(),
            revision: 1,
            effect: Effect::External("online store"),
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        let params: Params = match inference::parameters(request) {
            Ok(params) => params,
            Err(answer) => return answer,
        };
        let mut answer = Inference::default();
        for (name, declared) in request.outputs {
            answer.outputs.insert(name.clone(), Shape::Other(declared.kind));
        }
        if let Some(Err(message)) = params.at.as_deref().map(time) {
            answer.findings.push(Finding::error("S01", with("at"), message));
        }
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let at = params.at.as_deref().map(time).transpose();
        let at = at.map_err(StepError::rejected)?;
        let store = open(io)?;
        let inputs: Vec<String> = io.spec().inputs.keys().cloned().collect();
        let mut verified = Vec::with_capacity(inputs.len());
        for input in &inputs {
            let view = view_of(io, input)?;
            let rows = view_rows(io, &view, None)?;
            let view = match io.input(input) {
                Some(TaskInput::Features(_)) => stored_names(&view),
                _ => view,
            };
            let one = verify(&view, &rows, &*store, &params, at)?;
            io.log(one.sentence());
            io.metric(&format!("{input}.differing"), one.share());
            verified.push(one);
        }
        let keys: usize = verified.iter().map(|one| one.keys).sum();
        let differing: usize = verified.iter().map(|one| one.differing).sum();
        io.headline(format!(
            "{} of {} keys differ between offline and online",
            grouped(differing as u64),
            grouped(keys as u64)
        ));
        if io.wants("report") {
            let twin = json!({"views": verified.iter().map(Verified::document).collect::<Vec<_>>()});
            io.output_report("report", &page(&verified), &twin)?;
        }
        match verified.iter().find(|one| one.share() > params.may_differ) {
            None => Ok(()),
            Some(one) => {
                let first = one.differences.first().map(Difference::sentence);
                let message = format!(
                    "`{}` differs between offline and online for {} of {} keys: {}",
                    one.view,
                    grouped(one.differing as u64),
                    grouped(one.keys as u64),
                    first.unwrap_or_default()
                );
                Err(StepError::gate(message)
                    .help("bring the view's rows into the online store with `mode: full`"))
            }
        }
    }
}

fn internal(error: PolarsError) -> StepError {
    StepError::internal(error.to_string())
}

/// Asks for some keys of a view in both ways.
fn verify(
    view: &FeatureView,
    rows: &ViewRows,
    store: &dyn OnlineStore,
    params: &Params,
    at: Option<Timestamp>,
) -> Result<Verified, StepError> {
    let id = ViewId::of(view);
    let at = match at {
        Some(at) => at,
        None => match store.watermark(&id).map_err(failed)? {
            Some(watermark) => watermark.until,
            None => {
                let message = format!(
                    "the online store holds nothing of the feature view `{}`",
                    view.name
                );
                return Err(StepError::rejected(message)
                    .help("fill it with `features.materialise@v1`, or say as of when with `at`"));
            }
        },
    };
    let keys = spread(&distinct_keys(view, rows)?, params.sample)?;
    let ask = ViewAsk {
        view: view.clone(),
        keys: view.keys.iter().map(|key| key.name.clone()).collect(),
        lag: Millis(0),
        known_by: KnownBy::Event,
        features: view.features.keys().cloned().collect(),
    };
    let mut asked = keys;
    let times = Column::new(AT.into(), vec![at.0; asked.height()]);
    let utc = PolarsType::Datetime(TimeUnit::Microseconds, None);
    asked
        .with_column(times.cast(&utc).map_err(internal)?)
        .map_err(internal)?;
    let mut entities = Entities::new(&asked, AT, &[rows])?;
    let unit = entities.unit;
    let offline = entities.join(&ask, rows)?;
    let online = looked_up(view, &asked, store)?;
    let mut verified = Verified {
        view: view.name.clone(),
        at,
        keys: asked.height(),
        unanswered: 0,
        newer: 0,
        differing: 0,
        differences: Vec::new(),
    };
    let names: Vec<&str> = view.features.keys().map(String::as_str).collect();
    let stored = values(&offline.features, view)?;
    for (row, online) in online.iter().enumerate() {
        let time = offline.times.get(row).copied().unwrap_or(NO_TIME);
        let offline = (time != NO_TIME).then(|| Online {
            event_time: unit.to_microseconds(time),
            values: stored
                .iter()
                .map(|column| column.get(row).cloned().flatten())
                .collect(),
        });
        if online.as_ref().is_some_and(|online| online.event_time > at.0) {
            verified.newer += 1;
            continue;
        }
        let is_alive = |online: &&Online| {
            let ttl = view.ttl.filter(|ttl| ttl.0 > 0);
            ttl.is_none_or(|ttl| {
                let ttl = i64::try_from(ttl.0).unwrap_or(i64::MAX).saturating_mul(1000);
                online.event_time >= at.0.saturating_sub(ttl)
            })
        };
        let online = online.as_ref().filter(is_alive);
        if online.is_none() && offline.is_none() {
            verified.unanswered += 1;
            continue;
        }
        if let Some(difference) = compare::difference(&names, offline.as_ref(), online) {
            verified.differing += 1;
            if verified.differences.len() < SHOWN {
                verified
                    .differences
                    .push(difference.of(&view.name, compare::key(view, &asked, row)?));
            }
        }
    }
    Ok(verified)
}

/// So many of the keys, evenly spread.
fn spread(keys: &DataFrame, sample: usize) -> Result<DataFrame, StepError> {
    let all = keys.height();
    if all <= sample {
        return Ok(keys.clone());
    }
    let rows = (0..sample).filter_map(|place| IdxSize::try_from(place * all / sample).ok());
    keys.take(&IdxCa::from_vec("rows".into(), rows.collect()))
        .map_err(internal)
}

fn page(verified: &[Verified]) -> String {
    let mut page = Page::new("Offline and online features");
    let keys: usize = verified.iter().map(|one| one.keys).sum();
    let differing: usize = verified.iter().map(|one| one.differing).sum();
    page.lead(&format!(
        "{}{}",
        tile(&grouped(keys as u64), "keys asked for"),
        tile(&grouped(differing as u64), "with differing answers"),
    ));
    page.heading("Views");
    let lines: Vec<Vec<Cell>> = verified
        .iter()
        .map(|one| {
            vec![
                one.view.clone().into(),
                compare::instant(one.at.0).into(),
                grouped(one.keys as u64).into(),
                grouped(one.differing as u64).into(),
                grouped(one.unanswered as u64).into(),
                grouped(one.newer as u64).into(),
            ]
        })
        .collect();
    page.table(
        &[
            "view",
            "as of",
            "keys",
            "differ",
            "without an answer",
            "newer online",
        ],
        &lines,
    );
    let differences: Vec<Vec<Cell>> = verified
        .iter()
        .flat_map(|one| &one.differences)
        .map(|difference| difference.cells().into_iter().map(Cell::from).collect())
        .collect();
    if !differences.is_empty() {
        page.heading("Differences");
        page.table(&["view", "key", "what", "offline", "online"], &differences);
    }
    page.finish()
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
