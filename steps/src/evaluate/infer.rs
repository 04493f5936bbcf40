//! What can be said of an evaluation before any row is read.

use super::Params;
use super::gates::CompareTo;
use crate::fault::no_column;
use crate::inference;
use crate::train::columns::is_text;
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::{InferRequest, Shape};

/// Gates that demand nothing, or compare to what is not there.
pub(super) fn wrong_gates(params: &Params, request: &InferRequest<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, gate) in params.gates.iter().enumerate() {
        let path = inference::with("gates").index(place);
        if let Some(fault) = gate.fault() {
            findings.push(Finding::error(
                "S01",
                path.clone(),
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
            let help = match wanted {
                "champion" => "add `champion: \"registry:NAME@production?\"` to `inputs`",
                _ => "add `baselines: \"STEP[*].model\"` to `inputs`",
            };
            findings.push(
                Finding::error("S02", path.key("compare_to"), message)
                    .at_word(wanted)
                    .help(help),
            );
        }
    }
    findings
}

/// Columns that the test table lacks or has in another type.
pub(super) fn wrong_columns(params: &Params, request: &InferRequest<'_>) -> Vec<Finding> {
    let Some(test) = inference::table(request, "test") else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let at_test = Path::root().key("inputs").key("test");
    for (place, column) in params.slices.iter().enumerate() {
        if test.column(column).is_none() {
            let path = inference::with("slices").index(place);
            findings.push(no_column(column, path, test.names()).at_word(column));
        }
    }
    for (place, gate) in params.gates.iter().enumerate() {
        if let Some(column) = gate.slice.as_ref().filter(|column| test.column(column).is_none()) {
            let path = inference::with("gates").index(place).key("slice");
            findings.push(no_column(column, path, test.names()).at_word(column));
        }
    }
    if let Some(Shape::Model { features, label }) = request.inputs.get("model") {
        for wanted in &features.columns {
            match test.column(&wanted.name) {
                None => findings.push(
                    no_column(&wanted.name, at_test.clone(), test.names())
                        .note(format!("the model was trained on `{}`", wanted.name)),
                ),
                Some(found) if is_text(&found.data_type) != is_text(&wanted.data_type) => {
                    let message = format!(
                        "`{}` is {}, but the model was trained on {}",
                        wanted.name, found.data_type, wanted.data_type
                    );
                    findings.push(Finding::error("D01", at_test.clone(), message));
                }
                Some(_) => {}
            }
        }
        if let Some(label) = label.as_ref().filter(|label| test.column(label).is_none()) {
            findings.push(no_column(label, at_test, test.names()).note(format!(
                "the model predicts `{label}`, and without it nothing can be judged"
            )));
        }
    }
    findings
}
