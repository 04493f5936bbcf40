//! `validate.contract@v1`: holds tables against their contracts and further checks, as a gate.

mod checks;
mod demand;
mod failing;
mod faults;
mod metric;
mod outcome;
mod remembered;
mod report;
mod rows;
mod rules;
mod source;
mod tables;

use crate::fault;
use crate::inference::{self, with};
use crate::spool;
use crate::table::{self, grouped};
use checks::{Check, Tables};
use faults::Known;
use indexmap::IndexMap;
use outcome::{Limits, Outcome, Severity};
use remembered::{PREVIOUS, Remembered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use source::Rows;
use std::collections::BTreeMap;
use trainyard_contract::finding::{Finding, nearest};
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::task::TaskInput;
use trainyard_contract::{
    ArtifactKind, InferRequest, Inference, Memory, Schema, Shape, Step, StepError, StepIo, Timestamp,
};

/// Parameters of `validate.contract@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Input → name of the contract it must keep. Default: the dataset's own, or the contract that is
    /// called like the input.
    #[serde(default)]
    contracts: BTreeMap<String, String>,
    /// What happens if a rule of a contract does not hold: `error` fails the step, `warn` and `info` are reported.
    /// Default: `error`.
    #[serde(default)]
    severity: Severity,
    /// Share of a table's rows, 0 to 1, that may break a contract's rule about values. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    max_bad_share: f64,
    /// Checks beyond the contracts.
    #[serde(default)]
    checks: Vec<Check>,
    /// The time ages are measured from, as a date (its beginning in UTC) or an instant such as `2026-11-22T02:30:00Z`;
    /// mostly `${{ trigger.logical_date }}`. It is a parameter and no clock, so that an earlier result is taken over only
    /// for the same time. Default: none, then `freshness` of contracts is not held.
    #[serde(default)]
    as_of: Option<String>,
    /// Failing rows shown for each check, at most. Default: 20.
    #[serde(default = "twenty")]
    #[schemars(range(min = 0, max = 1000))]
    sample: usize,
    /// Failing rows kept for each check in the output `failing`, at most. Default: 10000.
    #[serde(default = "many")]
    #[schemars(range(min = 0, max = 1_000_000))]
    keep_failing: usize,
    /// What an error does: `fail` fails the step, whose outputs `runs show` still lists, though no other step gets them;
    /// `report` makes `passed` false and lets the pipeline decide. Default: `fail`.
    #[serde(default)]
    on_failure: OnFailure,
}

/// What an error does.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum OnFailure {
    /// Fails the step.
    #[default]
    Fail,
    /// Makes the output `passed` false.
    Report,
}

fn twenty() -> usize {
    20
}

fn many() -> usize {
    10_000
}

/// A date or an instant.
fn instant(text: &str) -> Result<Timestamp, String> {
    let found = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let day = text.parse::<jiff::civil::Date>().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    });
    found
        .map(|instant| Timestamp(instant.as_microsecond()))
        .ok_or_else(|| format!("`{text}` is neither a date such as `2026-11-22` nor an instant such as `2026-11-22T02:30:00Z`"))
}

pub(crate) struct ValidateContract;

impl Step for ValidateContract {
    fn uses(&self) -> &'static str {
        "validate.contract@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Holds tables against their contracts and further checks; fails if an error is among them.",
            inputs: Ports::Any {
                kinds: vec![ArtifactKind::Table],
                min: 1,
            },
            outputs: Ports::Named(vec![
                InputPort::optional(
                    "report",
                    ArtifactKind::Report,
                    "every check with its numbers and failing rows",
                ),
                InputPort::optional(
                    "failing",
                    ArtifactKind::Table,
                    "the rows that break a rule: input, row, column, value, check, reason, severity",
                ),
                InputPort::optional("metrics", ArtifactKind::Metrics, "the number each check found"),
                InputPort::optional(
                    remembered::OUTPUT,
                    ArtifactKind::Table,
                    "values of columns compared with `previous`, for the next run: dataset, column, where, number, text, rows, of_rows",
                ),
                InputPort::optional("passed", ArtifactKind::Boolean, "whether no error was found"),
            ]),
            params: schemars::schema_for!(Params).to_value(),
            revision: 3,
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
        if request.outputs.contains_key("failing") {
            answer
                .outputs
                .insert("failing".to_owned(), Shape::Table(failing::schema()));
        }
        if request.outputs.contains_key(remembered::OUTPUT) {
            let shape = Shape::Table(remembered::schema());
            answer.outputs.insert(remembered::OUTPUT.to_owned(), shape);
        }
        let names: Vec<&str> = request.inputs.keys().map(String::as_str).collect();
        let schemas: IndexMap<&str, &Schema> = request
            .inputs
            .iter()
            .filter_map(|(name, shape)| match shape {
                Shape::Table(schema) => Some((name.as_str(), schema)),
                _ => None,
            })
            .collect();
        for (input, contract) in &params.contracts {
            let path = with("contracts").key(input);
            if !request.inputs.contains_key(input) {
                answer.findings.push(no_input(input, &names, path));
            } else if !request.contracts.contains_key(contract) {
                let known = request.contracts.keys().map(String::as_str);
                let finding = Finding::error("S02", path, format!("there is no contract `{contract}`"));
                answer.findings.push(match nearest(contract, known) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help("add its file to `include`"),
                });
            }
        }
        if let Some(fault) = params.as_of.as_deref().and_then(|text| instant(text).err()) {
            answer.findings.push(Finding::error("S01", with("as_of"), fault));
        }
        let is_unknown = request.unknown.contains(&with("as_of"));
        let known = Known {
            schemas: &schemas,
            inputs: &names,
            has_clock: params.as_of.is_some() || is_unknown,
        };
        for (at, check) in params.checks.iter().enumerate() {
            let path = with("checks").index(at);
            if let Some(dataset) = &check.dataset
                && !request.inputs.contains_key(dataset)
            {
                answer
                    .findings
                    .push(no_input(dataset, &names, path.key("dataset")));
                continue;
            }
            answer.findings.extend(check.findings(&path, &known));
            let is_forgotten = remembered::subject(check).is_some()
                && !names.contains(&PREVIOUS)
                && !request.outputs.contains_key(remembered::OUTPUT);
            if is_forgotten {
                let place = path.key("rule").key("distribution").key("reference");
                let message = "nothing remembers how `previous` data were distributed";
                let finding = Finding::error("S01", place, message);
                answer
                    .findings
                    .push(finding.help("add `distributions: {type: table}` to the step's `outputs`"));
            }
        }
        for (name, schema) in &schemas {
            let used = answer.uses.entry((*name).to_owned()).or_default();
            // Keeping a contract does not make a column needed; being checked by name does.
            used.extend(schema.primary_key.iter().cloned());
            let checked = params
                .checks
                .iter()
                .filter(|check| check.dataset.as_deref() == Some(*name));
            used.extend(checked.flat_map(|check| check.about()).map(str::to_owned));
        }
        inference::sifted(request, answer)
    }

    fn memory(&self, with: &Value) -> Option<Memory> {
        let compares = |check: &Value| {
            let reference = check.pointer("/rule/distribution/reference")?.as_str()?;
            (reference == PREVIOUS).then_some(Memory::Latest)
        };
        with.get("checks")?.as_array()?.iter().find_map(compares)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let as_of = params
            .as_of
            .as_deref()
            .map(instant)
            .transpose()
            .map_err(StepError::rejected)?;
        let checked = held(io, &params, as_of, source::VALUES_AT_ONCE)?;
        let failed: Vec<&Outcome> = checked
            .outcomes
            .iter()
            .filter(|outcome| !outcome.passed)
            .collect();
        for outcome in &failed {
            io.log(format!("{}: {}", outcome.severity, outcome.says));
        }
        for note in &checked.notes {
            io.log(note.clone());
        }
        let errors: Vec<&str> = failed
            .iter()
            .filter(|outcome| outcome.severity == Severity::Error)
            .map(|outcome| outcome.says.as_str())
            .collect();
        hand_on(io, &params, &checked, errors.is_empty())?;
        if errors.is_empty() || params.on_failure == OnFailure::Report {
            return Ok(());
        }
        let message = format!(
            "{} of {} checks failed: {}",
            errors.len(),
            checked.outcomes.len(),
            errors.join("; ")
        );
        Err(StepError::gate(message)
            .help("mend the data, or change the contract or check that is wrong about it; `on_failure: report` lets the pipeline decide"))
    }
}

/// All that was found.
struct Checked {
    outcomes: Vec<Outcome>,
    /// Rows by input.
    rows: IndexMap<String, usize>,
    notes: Vec<String>,
    /// How columns are distributed that the next run compares with.
    distributions: Remembered,
}

/// Carries out all checks. Tables of up to `at_once` values are read whole.
fn held(
    io: &mut StepIo,
    params: &Params,
    as_of: Option<Timestamp>,
    at_once: usize,
) -> Result<Checked, StepError> {
    let names: Vec<String> = io.spec().inputs.keys().cloned().collect();
    let mut inputs: IndexMap<String, Rows> = IndexMap::new();
    let limits = Limits {
        shown: params.sample,
        kept: if io.wants("failing") {
            params.keep_failing
        } else {
            0
        },
    };
    let mut keys = BTreeMap::new();
    let mut opened = Vec::new();
    let mut notes = Vec::new();
    for name in &names {
        if matches!(io.input(name), Some(TaskInput::Absent)) {
            notes.push(format!("`{name}` is not there yet"));
            continue;
        }
        let (table, faults) = spool::open_as_is(io, name, limits.shown.max(limits.kept).max(3))?;
        for note in &table.notes {
            io.log(note.clone());
        }
        let rows = Rows::of(&table, at_once)?;
        io.rows_in(rows.height() as u64);
        inputs.insert(name.clone(), rows);
        keys.insert(name.clone(), table.schema.primary_key.clone());
        opened.push((name, faults));
    }
    let remembered = Remembered::of(io)?;
    let tables = Tables {
        inputs: &inputs,
        remembered: &remembered,
        keys: &keys,
        as_of,
        limits,
    };
    let strictness = rules::Strictness {
        severity: params.severity,
        max_bad_share: params.max_bad_share,
    };
    let mut outcomes = Vec::new();
    for (name, faults) in opened {
        let source = tables.rows(name)?;
        outcomes.extend(rules::readable(
            name,
            source.height(),
            &faults.unreadable,
            &tables,
        ));
        let dataset = match io.input(name) {
            Some(TaskInput::Dataset(dataset)) => dataset.contract.as_deref(),
            _ => None,
        };
        let wanted = contract_name(params, name, dataset);
        match wanted.and_then(|contract| io.spec().contracts.get(contract)) {
            Some(contract) => {
                outcomes.extend(rules::hold(name, source, contract, strictness, &tables)?);
                notes.extend(contract.freshness.as_ref().filter(|_| as_of.is_none()).map(|freshness| {
                    format!(
                        "{name}: `freshness` ({}) is not held, since `as_of` does not say from when ages are measured",
                        freshness.max_age
                    )
                }));
            }
            None if params.contracts.contains_key(name) || dataset.is_some() => {
                return Err(StepError::internal(format!(
                    "the contract of `{name}` did not come with the task"
                )));
            }
            None => notes.push(format!("`{name}` has no contract, only `checks` apply to it")),
        }
    }
    for (nth, check) in params.checks.iter().enumerate() {
        io.progress(nth as u64, params.checks.len() as u64, "checks");
        outcomes.push(check.carry_out(&tables)?);
    }
    let mut distributions = Remembered::default();
    for check in params
        .checks
        .iter()
        .filter(|check| remembered::subject(check).is_some())
    {
        if let (Some(dataset), Some(column)) = (&check.dataset, &check.column)
            && !inputs.contains_key(PREVIOUS)
        {
            let frame = check.kept(tables.rows(dataset)?, &[column.as_str()])?;
            frame
                .column(column)
                .and_then(|column| distributions.note(check, column.as_materialized_series()))
                .map_err(|error| StepError::rejected(fault::sentence(&error)))?;
        }
    }
    let rows = inputs
        .iter()
        .map(|(name, rows)| (name.clone(), rows.height()))
        .collect();
    Ok(Checked {
        outcomes,
        rows,
        notes,
        distributions,
    })
}

/// Writes what the pipeline wants of it.
fn hand_on(io: &mut StepIo, params: &Params, checked: &Checked, passed: bool) -> Result<(), StepError> {
    let outcomes = &checked.outcomes;
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    let headline = format!("{} of {} checks passed", outcomes.len() - failed, outcomes.len());
    io.metric("checks", outcomes.len() as f64);
    io.metric("checks_failed", failed as f64);
    // Those of a contract are many and stand in the output `metrics`; those somebody wrote are shown for the run.
    for (check, outcome) in params.checks.iter().rev().zip(outcomes.iter().rev()) {
        if let Some(found) = outcome.found
            && check.sql.is_none()
        {
            io.metric(&outcome.metric(), found);
        }
    }
    io.headline(&headline);
    if io.wants("passed") {
        io.output_value("passed", json!(passed));
    }
    if io.wants("metrics") {
        let numbers: Map<String, Value> = outcomes
            .iter()
            .filter_map(|outcome| Some((outcome.metric(), json!(outcome.found?))))
            .collect();
        let numbers = Value::Object(numbers);
        let artifact = io.keep_bytes(
            ArtifactKind::Metrics,
            "application/json",
            numbers.to_string().as_bytes(),
            numbers,
        )?;
        io.output("metrics", artifact);
    }
    if io.wants(remembered::OUTPUT) {
        // Bad data must not become what later data is compared with.
        match io.previous(remembered::OUTPUT).cloned() {
            Some(earlier) if !passed => io.output(remembered::OUTPUT, earlier),
            None if !passed => drop(Remembered::default().write(io)?),
            _ => drop(checked.distributions.write(io)?),
        }
    }
    if io.wants("failing") {
        let mut frame = failing::rows(outcomes)?;
        let all: f64 = outcomes
            .iter()
            .filter(|outcome| !outcome.kept.is_empty())
            .filter_map(|outcome| outcome.found)
            .sum();
        io.log(format!(
            "{} of {} failing rows are kept",
            grouped(frame.height() as u64),
            grouped(all as u64)
        ));
        table::write(io, "failing", &mut frame, failing::schema())?;
    }
    if io.wants("report") {
        let about = report::About {
            title: format!("{}: {}", io.spec().pipeline, io.spec().step),
            headline: &headline,
            tables: &checked.rows,
            notes: &checked.notes,
            as_of: params.as_of.clone(),
        };
        let html = report::page(&about, outcomes);
        let json = json!({
            "format": "trainyard.checks/2",
            "summary": headline,
            "passed": passed,
            "as_of": params.as_of,
            "rows": checked.rows,
            "checks": outcomes,
            "notes": checked.notes,
        });
        io.output_report("report", &html, &json)?;
    }
    Ok(())
}

/// The contract an input is held against.
fn contract_name<'a>(params: &'a Params, input: &'a str, dataset: Option<&'a str>) -> Option<&'a str> {
    params
        .contracts
        .get(input)
        .map(String::as_str)
        .or(dataset)
        .or(Some(input))
}

fn no_input(name: &str, inputs: &[&str], path: trainyard_contract::Path) -> Finding {
    let finding = Finding::error("D01", path, format!("there is no input `{name}`")).at_word(name);
    match nearest(name, inputs.iter().copied()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help(format!("the inputs are {}", fault::list(inputs))),
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
