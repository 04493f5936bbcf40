//! `features.materialise@v1`: the latest rows of feature views go where they are looked up.
//!
//! Rows are written in one transaction with the mark of how far the offline store is in. What was read before is not
//! read again; the same rows written twice change nothing, and what is killed half-way was never there.

mod rows;
mod stored;

use crate::fault;
use crate::inference;
use crate::table::{self, grouped};
use polars::prelude::{PolarsError, col};
use rows::{Converted, Names, convert};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use trainyard_contract::feature::{FeatureView, StoredView};
use trainyard_contract::finding::nearest;
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::task::TaskInput;
use trainyard_contract::{
    ArtifactKind, Finding, InferRequest, Inference, Millis, Objects, OutputValue, Shape, Step, StepError,
    StepIo, Timestamp,
};
use trainyard_features::offline::Progress;
use trainyard_features::online::{Feed, Layout, OnlineError, OnlineStore, Place, ViewId, Watermark, Write};

/// Names the online store where it is not in the home.
const ONLINE_STORE_URL: &str = "TRAINYARD_ONLINE_STORE_URL";
/// Rows of a table that are held at once.
const PART: u32 = 1 << 20;

/// Parameters of `features.materialise@v1`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Reads only what has come since the last time, or everything again. Default: `incremental`.
    #[serde(default)]
    mode: Mode,
    /// Rows with an earlier event time are left out, and the next time begins where it would have begun; with mode `full`.
    /// Default: none are.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    since: Option<String>,
    /// Rows with a later event time are left for the next time. Default: the moment at which the step begins.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    until: Option<String>,
    /// Removes rows whose event time is so long ago, such as those that their view's ttl has made useless. Default: none.
    #[serde(default)]
    #[schemars(extend("x-kind" = "duration"))]
    expire: Option<String>,
}

/// How much is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    #[default]
    Incremental,
    Full,
}

/// What to bring into the online store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    mode: Mode,
    /// Rows with an earlier event time are left out, and nothing is said of how far the offline store is in.
    since: Option<Timestamp>,
    /// Rows with a later event time are left for the next time.
    until: Timestamp,
    now: Timestamp,
}

/// What was brought into the online store.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Materialised {
    /// Rows that were read.
    read: u64,
    /// Rows that are in the online store now and were not before.
    changed: u64,
    /// Bytes of these.
    bytes: u64,
    /// Rows whose key has a null, or that have no event time: nobody can ask for them.
    unfit: u64,
    /// Rows that are of later than was asked for.
    later: u64,
    /// Nothing has come since the last time.
    is_current: bool,
    until: Timestamp,
}

impl Materialised {
    fn document(&self) -> serde_json::Value {
        json!({
            "read": self.read, "changed": self.changed, "bytes": self.bytes, "unfit": self.unfit, "later": self.later,
            "until": jiff::Timestamp::from_microsecond(self.until.0).map(|at| at.to_string()).unwrap_or_default(),
        })
    }

    /// One line for the log.
    fn sentence(&self, view: &str) -> String {
        if self.is_current {
            return format!("{view}: nothing new");
        }
        let mut line = format!(
            "{view}: {} of {} rows are newer than what was there",
            grouped(self.changed),
            grouped(self.read)
        );
        if self.later > 0 {
            line.push_str(&format!(
                "; {} of a later time are left for the next run",
                grouped(self.later)
            ));
        }
        if self.unfit > 0 {
            line.push_str(&format!("; {} have no key or no time", grouped(self.unfit)));
        }
        line
    }
}

/// Fills the online store.
pub(crate) struct FeaturesMaterialise;

impl Step for FeaturesMaterialise {
    fn uses(&self) -> &'static str {
        "features.materialise@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Brings the latest rows of feature views into the online store, where they are looked up; each input is called as its view.",
            inputs: Ports::Any {
                kinds: vec![ArtifactKind::Table],
                min: 1,
            },
            outputs: Ports::Named(vec![InputPort::optional(
                "counts",
                ArtifactKind::Metrics,
                "rows read and changed, by view",
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
        if let Err(message) = params.until() {
            answer
                .findings
                .push(Finding::error("S01", inference::with("until"), message));
        }
        if let Err(message) = params.since() {
            answer
                .findings
                .push(Finding::error("S01", inference::with("since"), message));
        }
        if let Err(message) = params.expire() {
            answer
                .findings
                .push(Finding::error("S01", inference::with("expire"), message));
        }
        let views = &request.features.views;
        for input in request.inputs.keys() {
            let path = trainyard_contract::Path::root().key("inputs").key(input);
            let near = || nearest(input, views.keys().map(String::as_str));
            match views.get(input) {
                None => {
                    let finding = Finding::error("D01", path, format!("there is no feature view `{input}`"));
                    answer.findings.push(match near() {
                        Some(near) => finding.help(format!("did you mean `{near}`?")),
                        None => finding.help("call the input as the view whose rows it has"),
                    });
                }
                Some(view) if !view.online => {
                    let message = format!("the feature view `{input}` is not kept for online lookup");
                    let finding = Finding::error("D01", path, message);
                    answer
                        .findings
                        .push(finding.help("write `online: true` in its definition"));
                }
                Some(_) => {}
            }
        }
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let now = Timestamp(jiff::Timestamp::now().as_microsecond());
        let order = Order {
            mode: params.mode,
            since: params.since().map_err(StepError::rejected)?,
            until: params.until().map_err(StepError::rejected)?.unwrap_or(now),
            now,
        };
        let expire = params.expire().map_err(StepError::rejected)?;
        let store = open(io)?;
        let inputs: Vec<String> = io.spec().inputs.keys().cloned().collect();
        let (mut read, mut changed) = (0, 0);
        let mut counts = serde_json::Map::new();
        for input in &inputs {
            let done = one(io, input, &*store, order)?;
            if let Some(age) = expire {
                let view = view_of(io, input)?;
                let before = Timestamp(
                    now.0
                        .saturating_sub(i64::try_from(age.0).unwrap_or(i64::MAX).saturating_mul(1000)),
                );
                let gone = store.expire(&ViewId::of(&view), before).map_err(failed)?;
                io.log(format!(
                    "{input}: {} rows were too old and are gone",
                    grouped(gone)
                ));
            }
            io.log(done.sentence(input));
            io.metric(&format!("{input}.read"), done.read as f64);
            io.metric(&format!("{input}.changed"), done.changed as f64);
            read += done.read;
            changed += done.changed;
            counts.insert(input.clone(), done.document());
        }
        io.rows_in(read);
        io.headline(format!(
            "{} rows read, {} newer than what was online",
            grouped(read),
            grouped(changed)
        ));
        if io.wants("counts") {
            io.output_metrics("counts", &serde_json::Value::Object(counts))?;
        }
        Ok(())
    }
}

impl Params {
    fn since(&self) -> Result<Option<Timestamp>, String> {
        if self.since.is_some() && self.mode != Mode::Full {
            return Err("only `mode: full` leaves earlier rows out".to_owned());
        }
        self.since.as_deref().map(time).transpose()
    }

    fn until(&self) -> Result<Option<Timestamp>, String> {
        self.until.as_deref().map(time).transpose()
    }

    fn expire(&self) -> Result<Option<Millis>, String> {
        self.expire.as_ref().map(|text| text.parse()).transpose()
    }
}

pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    text.parse::<jiff::Timestamp>()
        .map(|at| Timestamp(at.as_microsecond()))
        .map_err(|_| format!("`{text}` is not an instant; write `2026-01-31T06:00:00Z`"))
}

/// The online store that the environment names, or the one in the home.
pub(crate) fn open(io: &StepIo) -> Result<std::sync::Arc<dyn OnlineStore>, StepError> {
    let url = io.secrets().get(ONLINE_STORE_URL).cloned();
    let url = url.or_else(|| std::env::var(ONLINE_STORE_URL).ok());
    let objects = &io.spec().objects;
    let home = objects.parent().unwrap_or(objects);
    Place::read(url.as_deref(), home)
        .and_then(|place| place.open())
        .map_err(failed)
}

pub(crate) fn view_of(io: &StepIo, input: &str) -> Result<FeatureView, StepError> {
    if let Some(TaskInput::Features(stored)) = io.input(input) {
        return Ok(stored.view.clone());
    }
    let view = io.spec().features.views.get(input);
    view.cloned()
        .ok_or_else(|| StepError::rejected(format!("there is no feature view `{input}`")))
}

fn one(
    io: &mut StepIo,
    input: &str,
    store: &dyn OnlineStore,
    order: Order,
) -> Result<Materialised, StepError> {
    let view = view_of(io, input)?;
    if !view.online {
        return Err(StepError::rejected(format!(
            "the feature view `{input}` is not kept for online lookup"
        ))
        .help("write `online: true` in its definition"));
    }
    if let Some(TaskInput::Features(stored)) = io.input(input) {
        let objects = Objects::new(io.spec().objects.clone());
        return of_stored(&objects, stored, store, order);
    }
    let content = match io.input(input) {
        Some(TaskInput::Output(OutputValue::Artifact(artifact))) => Some(artifact.hash.to_string()),
        Some(TaskInput::Dataset(dataset)) => dataset.content.map(|content| content.to_string()),
        _ => None,
    };
    let before = store.watermark(&ViewId::of(&view)).map_err(failed)?;
    let before = before.filter(|before| {
        order.mode == Mode::Incremental
            && before.snapshot.is_some()
            && before.snapshot == content
            && (before.later == 0 || before.until >= order.until)
    });
    if before.is_some() {
        return Ok(Materialised {
            is_current: true,
            ..Materialised::default()
        });
    }
    let table = table::open(io, input)?;
    for note in &table.notes {
        io.log(note.clone());
    }
    let names = Names::Source.all(&view);
    let columns: Vec<_> = names.iter().map(|name| col(name.as_str())).collect();
    let frame = table.frame.select(columns);
    let mut from = 0_i64;
    let batches = std::iter::from_fn(|| {
        let part = table::collect("read the view's rows", frame.clone().slice(from, PART));
        from += i64::from(PART);
        match part {
            Ok(part) if part.height() == 0 => None,
            other => Some(other),
        }
    });
    let mark = Mark {
        snapshot: content,
        progress: Progress::default(),
    };
    let rows = batches.map(|batch| {
        let frame = batch.map_err(|error| OnlineError::Source(Box::new(error)))?;
        convert(&view, &frame, Names::Source, (order.since, order.until))
            .map_err(|error| unfit(&view, &error))
    });
    write(&view, store, order, mark, rows)
}

/// Brings what the offline store has of a view into the online store.
fn of_stored(
    objects: &Objects,
    stored: &StoredView,
    store: &dyn OnlineStore,
    order: Order,
) -> Result<Materialised, StepError> {
    let before = match order.mode {
        Mode::Incremental => store.watermark(&ViewId::of(&stored.view)).map_err(failed)?,
        Mode::Full => None,
    };
    // Rows that were of later than was asked for lie in files that were read before.
    let is_left = before
        .as_ref()
        .is_some_and(|before| before.later > 0 && before.until < order.until);
    let after = before.filter(|_| !is_left).map(|before| before.progress);
    let (snapshot, progress) = stored::snapshot(objects, stored)?;
    if after == Some(progress) {
        return Ok(Materialised {
            is_current: true,
            ..Materialised::default()
        });
    }
    let span = (order.since, order.until);
    let rows = stored::StoredRows::new(objects, stored, snapshot.as_ref(), after, span);
    let mark = Mark {
        snapshot: stored
            .snapshot
            .as_ref()
            .map(|snapshot| snapshot.manifest.hash.to_string()),
        progress,
    };
    write(&stored.view, store, order, mark, rows)
}

struct Mark {
    snapshot: Option<String>,
    progress: Progress,
}

fn write(
    view: &FeatureView,
    store: &dyn OnlineStore,
    order: Order,
    mark: Mark,
    rows: impl Iterator<Item = Result<Converted, OnlineError>> + Send,
) -> Result<Materialised, StepError> {
    let layout = Layout::of(view);
    let id = ViewId::of(view);
    let (later, timeless) = (AtomicU64::new(0), AtomicU64::new(0));
    let rows = rows.map(|converted| {
        let converted = converted?;
        later.fetch_add(converted.later, Ordering::Relaxed);
        timeless.fetch_add(converted.timeless, Ordering::Relaxed);
        Ok(converted.batch)
    });
    let watermark = || Watermark {
        snapshot: mark.snapshot.clone(),
        progress: mark.progress,
        until: order.until,
        later: later.load(Ordering::Relaxed),
        at: order.now,
    };
    let (written, counted) = Feed::through(&layout, rows, |rows| {
        let mut writes = [Write {
            view: &id,
            layout: &layout,
            rows,
            watermark: order.since.is_none().then_some(&watermark),
        }];
        store.write(&mut writes, order.now)
    })
    .map_err(failed)?;
    let (later, timeless) = (later.load(Ordering::Relaxed), timeless.load(Ordering::Relaxed));
    let written = written.first().copied().unwrap_or_default();
    Ok(Materialised {
        read: counted.rows + later + timeless,
        changed: written.changed,
        bytes: written.bytes,
        unfit: counted.without_key + timeless,
        later,
        is_current: false,
        until: order.until,
    })
}

fn unfit(view: &FeatureView, error: &PolarsError) -> OnlineError {
    let message = format!(
        "the rows do not fit the feature view `{}`: {}",
        view.name,
        fault::sentence(error)
    );
    OnlineError::Source(Box::new(StepError::rejected(message)))
}

/// What the step says when the online store failed, or whoever gave it rows.
pub(crate) fn failed(error: OnlineError) -> StepError {
    match error {
        OnlineError::Source(source) => match source.downcast::<StepError>() {
            Ok(error) => *error,
            Err(other) => StepError::internal(other.to_string()),
        },
        OnlineError::Url(_) | OnlineError::Batch(_) => StepError::rejected(error.to_string()),
        other => {
            let message = other.to_string();
            StepError::io(message, &other)
        }
    }
}

#[cfg(test)]
#[path = "materialise_tests.rs"]
mod tests;
