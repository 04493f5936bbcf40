//! What can be said of an evaluation before any row is read.

use super::gates::CompareTo;
use super::params::Plan;
use crate::fault::no_column;
use crate::inference;
use crate::train::columns::is_text;
use crate::train::known_parameters;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::{InferRequest, Inference, Schema, Shape, StepError};

/// The answer of either step.
pub(super) fn infer<P: DeserializeOwned + Into<Plan>>(request: &InferRequest<'_>) -> Inference {
    let plan: Plan = match known_parameters::<P>(request) {
        Ok(params) => params.into(),
        Err(answer) => return answer,
    };
    let mut answer = Inference::default();
    for (name, declared) in request.outputs {
        answer.outputs.insert(name.clone(), Shape::Other(declared.kind));
    }
    answer.findings = wrong_gates(&plan, request);
    answer.findings.extend(wrong_threshold(&plan));
    answer.findings.extend(wrong_columns(&plan, request));
    let mut of_model = BTreeSet::new();
    if let Some(Shape::Model { features, label }) = request.inputs.get("model") {
        of_model.extend(features.names().map(str::to_owned));
        of_model.extend(label.clone());
    }
    if request.inputs.contains_key("valid") {
        answer.uses.insert("valid".to_owned(), of_model.clone());
    }
    of_model.extend(plan.columns());
    answer.uses.insert("test".to_owned(), of_model);
    answer
}

/// Stops at parameters whose fault shows only once their values are known.
///
/// # Errors
/// `Rejected` with the first fault.
pub(super) fn refuse(plan: &Plan) -> Result<(), StepError> {
    for gate in &plan.gates {
        if let Some((_, fault)) = gate.fault() {
            return Err(StepError::rejected(format!("gate `{}`: {fault}", gate.demand())));
        }
    }
    match wrong_threshold(plan) {
        None => Ok(()),
        Some(finding) => Err(StepError::rejected(finding.message)),
    }
}

/// A threshold that is no probability, or by a cost that nobody gave.
fn wrong_threshold(plan: &Plan) -> Option<Finding> {
    let path = inference::with("threshold");
    if let Some(fault) = plan.threshold.fault() {
        return Some(Finding::error("S01", path, fault));
    }
    (plan.threshold.by_cost() && plan.costs.is_none()).then(|| {
        let message = "the threshold is chosen by cost, and nothing says what decisions cost";
        Finding::error("S01", path, message)
            .help("add `costs: {false_positive: 1, false_negative: 5}` beside it")
    })
}

/// Gates that demand nothing, or compare to what is not there.
fn wrong_gates(plan: &Plan, request: &InferRequest<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, gate) in plan.gates.iter().enumerate() {
        let path = inference::with("gates").index(place);
        if let Some((key, fault)) = gate.fault() {
            let at = key.map_or(path.clone(), |key| path.key(key));
            findings.push(Finding::error(
                "S01",
                at,
                format!("this gate says nothing that can be checked: {fault}"),
            ));
        }
        let wanted = match gate.compare_to {
            Some(CompareTo::Champion) => "champion",
            Some(CompareTo::Baselines) => "baselines",
            None => continue,
        };
        if !request.inputs.contains_key(wanted) {
            let message = format!("this gate compares to `{wanted}`, and the step has no input of that name");
            let (code, help) = match wanted {
                "champion" => (
                    "M08/gate-without-champion",
                    "add `champion: \"registry:NAME@production?\"` to `inputs`",
                ),
                _ => ("S02", "add `baselines: \"STEP[*].model\"` to `inputs`"),
            };
            findings.push(
                Finding::error(code, path.key("compare_to"), message)
                    .at_word(wanted)
                    .help(help),
            );
        }
    }
    findings
}

/// Columns that the test table lacks or has in another type.
fn wrong_columns(plan: &Plan, request: &InferRequest<'_>) -> Vec<Finding> {
    let Some(test) = inference::table(request, "test") else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut look = |column: &String, path: Path| {
        if test.column(column).is_none() {
            findings.push(no_column(column, path, test.names()).at_word(column));
        }
    };
    for (place, column) in plan.slices.iter().enumerate() {
        look(column, inference::with("slices").index(place));
    }
    for (place, column) in plan.fairness.sensitive.iter().enumerate() {
        look(column, inference::with("fairness").key("sensitive").index(place));
    }
    for (place, gate) in plan.gates.iter().enumerate() {
        let path = inference::with("gates").index(place);
        if let Some(column) = &gate.slice {
            look(column, path.key("slice"));
        }
        if let Some(column) = &gate.fairness {
            look(column, path.key("fairness"));
        }
    }
    for input in ["test", "valid"] {
        if let Some(table) = inference::table(request, input) {
            findings.extend(wrong_for_model(request, table, input));
        }
    }
    findings
}

fn wrong_for_model(request: &InferRequest<'_>, table: &Schema, input: &str) -> Vec<Finding> {
    let Some(Shape::Model { features, label }) = request.inputs.get("model") else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let path = Path::root().key("inputs").key(input);
    for wanted in &features.columns {
        match table.column(&wanted.name) {
            None => findings.push(
                no_column(&wanted.name, path.clone(), table.names())
                    .note(format!("the model was trained on `{}`", wanted.name)),
            ),
            Some(found) if is_text(&found.data_type) != is_text(&wanted.data_type) => {
                let message = format!(
                    "`{}` is {}, but the model was trained on {}",
                    wanted.name, found.data_type, wanted.data_type
                );
                findings.push(Finding::error("D01", path.clone(), message));
            }
            Some(_) => {}
        }
    }
    if let Some(label) = label.as_ref().filter(|label| table.column(label).is_none()) {
        findings.push(no_column(label, path, table.names()).note(format!(
            "the model predicts `{label}`, and without it nothing can be judged"
        )));
    }
    findings
}
