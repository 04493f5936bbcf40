//! What can be said of a training step before any row is read.

use super::Params;
use super::columns::{self, Roles, Told};
use super::settings::AlgorithmName;
use crate::inference;
use serde::de::DeserializeOwned;
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::task::{ColumnEdge, Way};
use trainyard_contract::{ArtifactKind, InferRequest, Inference, Schema, Segment, Shape};

/// The parameters, leaving out what is known only at run time.
///
/// # Errors
/// The answer to give instead.
pub(crate) fn known_parameters<P: DeserializeOwned>(request: &InferRequest<'_>) -> Result<P, Inference> {
    let mut with = request.with.clone();
    for path in request.unknown {
        if let (Some(Segment::Key(key)), Some(map)) = (inside_with(path).first(), with.as_object_mut()) {
            map.shift_remove(key);
        }
    }
    inference::parameters(&InferRequest {
        step: request.step,
        with: &with,
        unknown: request.unknown,
        inputs: request.inputs,
        outputs: request.outputs,
        contracts: request.contracts,
    })
}

/// Whether the value of a parameter, or of anything in it, is known only at run time.
pub(crate) fn is_unknown(request: &InferRequest<'_>, parameter: &str) -> bool {
    request
        .unknown
        .iter()
        .any(|path| inside_with(path).first() == Some(&Segment::Key(parameter.to_owned())))
}

fn inside_with(path: &Path) -> &[Segment] {
    match path.0.split_first() {
        Some((Segment::Key(first), rest)) if first == "with" => rest,
        _ => &path.0,
    }
}

pub(super) fn infer(request: &InferRequest<'_>, classes: bool) -> Inference {
    let params: Params = match known_parameters(request) {
        Ok(params) => params,
        Err(answer) => return answer,
    };
    let mut answer = Inference::default();
    if !is_unknown(request, "algorithm") {
        answer.findings.extend(wrong_algorithm(params.algorithm, classes));
    }
    if is_unknown(request, "label") || is_unknown(request, "features") {
        return answer;
    }
    answer_for_model(request, &mut answer, params.told(classes), "model");
    answer
}

/// An algorithm that cannot do what the step is for.
pub(crate) fn wrong_algorithm(algorithm: AlgorithmName, classes: bool) -> Option<Finding> {
    let (wrong, help) = match (algorithm, classes) {
        (AlgorithmName::LinearRegression, true) => ("tell classes apart", "use `logistic_regression`"),
        (AlgorithmName::LogisticRegression, false) => ("predict a number", "use `linear_regression`"),
        _ => return None,
    };
    let message = format!("`{}` cannot {wrong}", algorithm.name());
    Some(
        Finding::error("S01", inference::with("algorithm"), message)
            .at_word(algorithm.name())
            .help(help),
    )
}

/// What a step that trains on inputs `train` and `valid` says of columns, and of its output `output`.
pub(crate) fn answer_for_model(
    request: &InferRequest<'_>,
    answer: &mut Inference,
    told: Told<'_>,
    output: &str,
) {
    let Some(schema) = inference::table(request, "train") else {
        if request.outputs.contains_key(output) {
            answer
                .outputs
                .insert(output.to_owned(), Shape::Other(ArtifactKind::Model));
        }
        return;
    };
    let (roles, findings) = columns::roles(schema, "train", told);
    answer.findings.extend(findings);
    answer
        .findings
        .extend(columns::unknown_moment(schema, told.predict_at));
    if let Some(valid) = inference::table(request, "valid") {
        answer
            .findings
            .extend(columns::same_columns(schema, &roles, valid, "valid"));
    }
    for input in ["train", "valid"] {
        if request.inputs.contains_key(input) {
            answer.uses.insert(
                input.to_owned(),
                roles.features.iter().chain(&roles.label).cloned().collect(),
            );
        }
    }
    answer.lineage.extend(edges(&roles, output));
    if request.outputs.contains_key(output) {
        answer
            .outputs
            .insert(output.to_owned(), model_shape(schema, &roles));
    }
}

fn model_shape(schema: &Schema, roles: &Roles) -> Shape {
    let columns = roles
        .features
        .iter()
        .filter_map(|name| schema.column(name).cloned())
        .collect();
    let features = Schema {
        columns,
        predict_at: schema.predict_at.clone(),
        ..Schema::default()
    };
    Shape::Model {
        features,
        label: roles.label.clone(),
    }
}

/// A prediction of the label depends on every feature.
pub(crate) fn edges(roles: &Roles, output: &str) -> Vec<ColumnEdge> {
    let Some(label) = &roles.label else {
        return Vec::new();
    };
    let edge = |from: &String| ColumnEdge {
        output: output.to_owned(),
        column: label.clone(),
        input: "train".to_owned(),
        from: from.clone(),
        derived: true,
        ways: [Way::Transformation].into(),
    };
    roles.features.iter().map(edge).collect()
}
