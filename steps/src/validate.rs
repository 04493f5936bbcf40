//! `validate.contract@v1`: holds tables against their contracts and further checks, as a gate.

mod checks;
mod rules;

use crate::fault;
use crate::inference::{self, with};
use crate::page::Page;
use crate::table::{self, grouped};
use checks::{Check, Severity};
use indexmap::IndexMap;
use polars::prelude::DataFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use trainyard_contract::finding::{Finding, nearest};
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::task::TaskInput;
use trainyard_contract::{ArtifactKind, InferRequest, Inference, Schema, Shape, Step, StepError, StepIo};

/// Parameters of `validate.contract@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Input → name of the contract it must keep. Default: the dataset's own, or the contract that is
    /// called like the input.
    #[serde(default)]
    contracts: BTreeMap<String, String>,
    /// Checks beyond the contracts.
    #[serde(default)]
    checks: Vec<Check>,
    /// Failing rows shown for each check, at most. Default: 20.
    #[serde(default = "twenty")]
    #[schemars(range(min = 0, max = 1000))]
    sample: usize,
}

fn twenty() -> usize {
    20
}

/// How one check went.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// Name of the input, or nothing for SQL.
    dataset: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    /// The rule or metric.
    check: String,
    severity: Severity,
    passed: bool,
    /// What was found and what must be, one sentence.
    says: String,
    /// The number found, or the count of rows that break the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<f64>,
    /// Some failing rows: their number from 1, and their values in the columns that matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failing: Vec<FailingRow>,
}

/// A row that breaks a rule.
#[derive(Debug, Serialize)]
pub(crate) struct FailingRow {
    row: u64,
    values: IndexMap<String, Option<String>>,
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
            outputs: Ports::Named(vec![InputPort::optional(
                "report",
                ArtifactKind::Report,
                "every check with its numbers and failing rows",
            )]),
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
            answer.findings.extend(check.findings(&path, &schemas, &names));
        }
        for (name, schema) in &schemas {
            let used = answer.uses.entry((*name).to_owned()).or_default();
            // Keeping a contract does not make a column needed; being checked by name does.
            used.extend(schema.primary_key.iter().cloned());
            let checked = params
                .checks
                .iter()
                .filter(|check| check.dataset.as_deref() == Some(*name));
            used.extend(checked.filter_map(|check| check.column.clone()));
        }
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let names: Vec<String> = io.spec().inputs.keys().cloned().collect();
        let mut outcomes = Vec::new();
        let mut unheld: Vec<String> = Vec::new();
        let mut frames: IndexMap<String, DataFrame> = IndexMap::new();
        for name in &names {
            let (table, faults) = table::open_as_is(io, name)?;
            for note in &table.notes {
                io.log(note.clone());
            }
            let frame = table::collect("read the rows", table.frame)?;
            io.rows_in(frame.height() as u64);
            outcomes.extend(rules::readable(name, &faults, params.sample));
            let dataset = match io.input(name) {
                Some(TaskInput::Dataset(dataset)) => dataset.contract.as_deref(),
                _ => None,
            };
            let wanted = contract_name(&params, name, dataset);
            match wanted.and_then(|contract| io.spec().contracts.get(contract)) {
                Some(contract) => {
                    outcomes.extend(rules::hold(name, &frame, contract, params.sample)?);
                    unheld.extend(contract.freshness.as_ref().map(|freshness| {
                        format!(
                            "{name}: `freshness` ({}) is not held: a step has no clock",
                            freshness.max_age
                        )
                    }));
                }
                None if params.contracts.contains_key(name) || dataset.is_some() => {
                    return Err(StepError::internal(format!(
                        "the contract of `{name}` did not come with the task"
                    )));
                }
                None => io.log(format!("`{name}` has no contract, only `checks` apply to it")),
            }
            frames.insert(name.clone(), frame);
        }
        for check in &params.checks {
            outcomes.push(check.carry_out(&frames)?);
        }
        for line in unheld {
            io.log(line);
        }
        let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
        for outcome in &failed {
            io.log(format!("{}: {}", outcome.severity, outcome.says));
        }
        let headline = format!(
            "{} of {} checks passed",
            outcomes.len() - failed.len(),
            outcomes.len()
        );
        io.metric("checks", outcomes.len() as f64);
        io.metric("checks_failed", failed.len() as f64);
        io.headline(&headline);
        if io.wants("report") {
            let html = page(&headline, &outcomes);
            io.output_report(
                "report",
                &html,
                &json!({ "summary": headline, "checks": outcomes }),
            )?;
        }
        let errors: Vec<&str> = failed
            .iter()
            .filter(|outcome| outcome.severity == Severity::Error)
            .map(|outcome| outcome.says.as_str())
            .collect();
        if errors.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{} of {} checks failed: {}",
            errors.len(),
            outcomes.len(),
            errors.join("; ")
        );
        Err(StepError::gate(message)
            .help("mend the data, or change the contract or check that is wrong about it"))
    }
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

fn page(headline: &str, outcomes: &[Outcome]) -> String {
    let mut page = Page::new("Data checks");
    page.text(headline);
    let rows: Vec<Vec<String>> = outcomes
        .iter()
        .map(|outcome| {
            vec![
                if outcome.passed {
                    "passed".to_owned()
                } else {
                    format!("failed ({})", outcome.severity)
                },
                outcome.dataset.clone(),
                outcome.column.clone().unwrap_or_default(),
                outcome.check.clone(),
                outcome.says.clone(),
            ]
        })
        .collect();
    page.table(
        &["", "table", "column", "check", "found"],
        &rows,
        |at| match &outcomes[at] {
            outcome if outcome.passed => "",
            outcome if outcome.severity == Severity::Error => "bad",
            _ => "warn",
        },
    );
    for outcome in outcomes.iter().filter(|outcome| !outcome.failing.is_empty()) {
        page.heading(&outcome.says);
        let columns: Vec<&str> = outcome.failing[0].values.keys().map(String::as_str).collect();
        let head: Vec<&str> = ["row"].into_iter().chain(columns).collect();
        let rows: Vec<Vec<String>> = outcome
            .failing
            .iter()
            .map(|failing| {
                let values = failing
                    .values
                    .values()
                    .map(|value| value.clone().unwrap_or_else(|| "∅".to_owned()));
                [grouped(failing.row)].into_iter().chain(values).collect()
            })
            .collect();
        page.table(&head, &rows, |_| "");
    }
    page.finish()
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
