//! `features.ingest@v1`: rows of a view's source become its next snapshot.

use crate::dataset::{self, Access, Block, Intake};
use crate::inference::{self, with};
use crate::ingest::{self, Quarantine};
use crate::offline::{ViewBefore, ViewWriter, objects};
use crate::sink::Sink;
use crate::table::grouped;
use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use trainyard_contract::feature::{FeatureSource, FeatureView};
use trainyard_contract::finding::nearest;
use trainyard_contract::step::{Effect, FeatureUse, InputPort, Ports, Runner, Signature};
use trainyard_contract::task::{DatasetRef, TaskInput};
use trainyard_contract::{
    ArtifactKind, DataContract, Finding, InferRequest, Inference, Millis, OutputValue, Shape, Step,
    StepError, StepIo,
};
use trainyard_features::offline::ChangeKind;

/// Name of the input with the source's rows.
const ROWS: &str = "rows";

/// Parameters of `features.ingest@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The feature view whose rows these are.
    view: String,
    /// `full`: the view's rows become those of the input. `incremental`: rows that the view does not have in every value
    /// are added, each to the period its event time says, late ones too. Default: `full`.
    #[serde(default)]
    mode: Mode,
    /// For `incremental`: rows whose event time is more than this before the view's latest one are taken as known and
    /// not looked at. A duration such as `2d`. Default: all rows are looked at.
    #[serde(default)]
    #[schemars(extend("x-kind" = "duration"))]
    lateness: Option<String>,
    /// Share of rows, 0 to 1, that may not fit the view's types or break the dataset's contract; they are set aside with
    /// file, row, column, value and reason as the output `quarantine`. Default: 0, one bad row fails the step.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    max_bad_share: f64,
}

/// What becomes of the rows that are there.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// They are replaced.
    #[default]
    Full,
    /// They stay.
    Incremental,
}

impl Mode {
    pub(crate) fn change(self) -> ChangeKind {
        match self {
            Self::Full => ChangeKind::Replace,
            Self::Incremental => ChangeKind::Append,
        }
    }
}

pub(crate) struct FeaturesIngest;

impl Step for FeaturesIngest {
    fn uses(&self) -> &'static str {
        "features.ingest@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Writes rows of a feature view's source into the offline store, as the view's next snapshot.",
            inputs: Ports::Named(vec![InputPort::required(
                ROWS,
                ArtifactKind::Table,
                "rows with the view's keys, times and features",
            )]),
            outputs: Ports::Named(vec![InputPort::optional(
                "quarantine",
                ArtifactKind::Table,
                "rows that were set aside, with reasons",
            )]),
            params: schemars::schema_for!(Params).to_value(),
            revision: 1,
            effect: Effect::None,
            runner: Runner::Worker,
        }
    }

    fn features(&self, with: &Value) -> FeatureUse {
        FeatureUse {
            writes: with.get("view").and_then(Value::as_str).map(str::to_owned),
            ..FeatureUse::default()
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        let params: Params = match inference::parameters(request) {
            Ok(params) => params,
            Err(answer) => return answer,
        };
        let mut answer = Inference::default();
        match request.features.views.get(&params.view) {
            None => {
                let names = request.features.views.keys().map(String::as_str);
                let message = format!("there is no feature view `{}`", params.view);
                let finding = Finding::error("S01", with("view"), message);
                answer
                    .findings
                    .push(finding.help(match nearest(&params.view, names) {
                        Some(name) => format!("there is `{name}`"),
                        None => "define it in a file of the folder `features`".to_owned(),
                    }));
            }
            Some(view) => {
                let wanted: Vec<String> = columns(view);
                if let Some(Shape::Table(schema)) = request.inputs.get(ROWS) {
                    for name in wanted.iter().filter(|name| schema.column(name).is_none()) {
                        let message = format!(
                            "feature view `{}` wants a column `{name}`, and its rows have none",
                            view.name
                        );
                        answer.findings.push(
                            Finding::error("S04", with("view"), message)
                                .help("give the input that column, or say under the view's `columns` what the source calls it"),
                        );
                    }
                }
                if let FeatureSource::Step { pipeline, step } = &view.source {
                    let message = format!(
                        "the rows of feature view `{}` are written by step `{step}` of pipeline `{pipeline}`",
                        view.name
                    );
                    answer.findings.push(Finding::error("S01", with("view"), message));
                }
                answer.uses.insert(ROWS.to_owned(), wanted.into_iter().collect());
            }
        }
        if let Some(lateness) = &params.lateness
            && params.mode == Mode::Full
        {
            let message = format!("`lateness: {lateness}` means nothing where all rows are replaced");
            let finding = Finding::error("S01", with("lateness"), message);
            answer
                .findings
                .push(finding.help("write `mode: incremental`, or take it out"));
        }
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let before = ViewBefore::of(io, &params.view)?;
        let objects = objects(io);
        let scratch = io.scratch().join("offline");
        let lateness: Option<Millis> = params
            .lateness
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(StepError::rejected)?;
        let latest = before.base.event_times().map(|times| times.to.0);
        let from = latest.zip(lateness).map(|(latest, lateness)| {
            let span = i64::try_from(lateness.0).unwrap_or(i64::MAX).saturating_mul(1000);
            latest.saturating_sub(span)
        });
        let source = Source::of(io)?;
        let contract = before.layout.contract_of_source(source.contract.as_ref());
        let mut intake = Rows {
            before: &before,
            writer: ViewWriter::new(&objects, &before.layout, &before.base, &scratch)?,
            anew: || ViewWriter::new(&objects, &before.layout, &before.base, &scratch),
            quarantine: Quarantine::new(io.scratch(), 0),
            from: from.filter(|_| params.mode == Mode::Incremental),
            rows: 0,
            bad: 0,
            old: 0,
        };
        let summary = dataset::stream(&source.dataset, Some(&contract), Access::of(io), &mut intake)?;
        let Rows {
            writer,
            quarantine,
            rows,
            bad,
            old,
            ..
        } = intake;
        if bad > 0 && bad as f64 > params.max_bad_share * rows as f64 {
            let (examples, all) = quarantine.examples();
            return Err(dataset::bad_rows(bad, rows, examples, all)
                .help("mend the data, change the view's types, or tolerate a share of bad rows with `max_bad_share`"));
        }
        for note in summary.notes {
            io.log(note);
        }
        if old > 0 {
            io.log(format!(
                "{} rows are older than `lateness` lets them be",
                grouped(old)
            ));
        }
        if bad > 0 {
            io.log(format!("set {} bad rows aside", grouped(bad)));
            io.metric(&format!("{}.bad_rows", params.view), bad as f64);
        }
        let written = writer.finish(params.mode.change())?;
        io.rows_in(rows);
        let view = &before.stored.view;
        io.lineage(before.lineage(|name| Some((ROWS.to_owned(), view.column_of(name).to_owned()))));
        let mut headline = before.record(io, written)?;
        if bad > 0 {
            headline.push_str(&format!(", {} bad left out", grouped(bad)));
        }
        io.headline(headline);
        let mut aside = Sink::new(io.staging_path()?);
        quarantine.move_into(&mut aside)?;
        ingest::keep_quarantine(io, aside)
    }
}

/// What a view wants of its source.
fn columns(view: &FeatureView) -> Vec<String> {
    let names = view.keys.iter().map(|key| &key.name).chain([&view.event_time]);
    let names = names.chain(&view.created_time).chain(view.features.keys());
    names.map(|name| view.column_of(name).to_owned()).collect()
}

/// The input as a dataset.
struct Source {
    dataset: DatasetRef,
    contract: Option<DataContract>,
}

impl Source {
    fn of(io: &StepIo) -> Result<Self, StepError> {
        match io.input(ROWS) {
            Some(TaskInput::Dataset(dataset)) => {
                let contract = dataset
                    .contract
                    .as_ref()
                    .and_then(|name| io.spec().contracts.get(name));
                Ok(Self {
                    contract: contract.cloned(),
                    dataset: DatasetRef {
                        contract: None,
                        ..dataset.clone()
                    },
                })
            }
            Some(TaskInput::Output(OutputValue::Artifact(artifact)))
                if artifact.kind == ArtifactKind::Table =>
            {
                Ok(Self {
                    dataset: DatasetRef {
                        name: ROWS.to_owned(),
                        location: io.open(artifact)?.to_string_lossy().into_owned(),
                        folder: None,
                        format: Some("parquet".to_owned()),
                        options: Value::Null,
                        contract: None,
                        content: None,
                    },
                    contract: None,
                })
            }
            _ => Err(StepError::rejected(format!(
                "input `{ROWS}` is neither a dataset nor a table"
            ))),
        }
    }
}

/// Rows on their way from the source to the view.
struct Rows<'a, F> {
    before: &'a ViewBefore,
    writer: ViewWriter<'a>,
    anew: F,
    quarantine: Quarantine,
    /// Event time in microseconds before which rows are not looked at.
    from: Option<i64>,
    rows: u64,
    bad: u64,
    old: u64,
}

impl<'a, F: Fn() -> Result<ViewWriter<'a>, StepError>> Intake for Rows<'a, F> {
    fn take(&mut self, block: Block) -> Result<(), StepError> {
        self.rows += (block.frame.height() + block.unreadable) as u64;
        self.bad += (block.faulty.len() + block.unreadable) as u64;
        let rows = self.before.layout.rows_of_source(&block.good_rows()?)?;
        self.quarantine.extend(block.faults)?;
        let rows = self.young(rows)?;
        self.writer.push(rows)
    }

    fn restart(&mut self) -> Result<(), StepError> {
        self.writer = (self.anew)()?;
        self.quarantine.clear();
        (self.rows, self.bad, self.old) = (0, 0, 0);
        Ok(())
    }
}

impl<F> Rows<'_, F> {
    fn young(&mut self, rows: DataFrame) -> Result<DataFrame, StepError> {
        let Some(from) = self.from else { return Ok(rows) };
        let internal = |error: polars::prelude::PolarsError| StepError::internal(error.to_string());
        let times = rows
            .column(&self.before.layout.event_time)
            .map_err(internal)?
            .to_physical_repr();
        let times = times.i64().map_err(internal)?;
        let keep: Vec<bool> = times.iter().map(|at| at.is_none_or(|at| at >= from)).collect();
        self.old += keep.iter().filter(|keep| !**keep).count() as u64;
        rows.filter(&BooleanChunked::from_slice("keep".into(), &keep))
            .map_err(internal)
    }
}

#[cfg(test)]
#[path = "view_ingest_tests.rs"]
mod tests;
