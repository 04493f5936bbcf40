//! What can be said of a training step before any row is read.

use super::algorithm::{AlgorithmName, Purpose, foreign, meant, owners};
use super::columns::{self, Roles, Told};
use super::params::Params;
use super::preparation::{Calibrate, CalibrateOn};
use crate::inference;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
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
        features: request.features,
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

pub(super) fn infer(request: &InferRequest<'_>, purpose: Purpose) -> Inference {
    let params: Params = match known_parameters(request) {
        Ok(params) => params,
        Err(answer) => return answer,
    };
    let mut answer = Inference::default();
    let known = !is_unknown(request, "algorithm");
    let algorithm = params.algorithm(purpose);
    if known && let Some(finding) = wrong_algorithm(algorithm, purpose) {
        answer.findings.push(finding);
    } else {
        answer
            .findings
            .extend(wrong_settings(&params, purpose, known.then_some(algorithm)));
    }
    if is_unknown(request, "label") || is_unknown(request, "features") {
        return inference::sifted(request, answer);
    }
    answer_for_model(request, &mut answer, params.told(purpose), "model");
    if known {
        answer
            .findings
            .extend(wrong_monotone(request, &params, purpose, algorithm));
        answer
            .findings
            .extend(wants_valid(request, &params, purpose, algorithm));
    }
    if purpose == Purpose::Clusters {
        cluster_table(request, &params, &mut answer);
    }
    inference::sifted(request, answer)
}

/// Parameters that the algorithm cannot take, each at its place; without a known algorithm those
/// that none for the purpose has.
fn wrong_settings(params: &Params, purpose: Purpose, algorithm: Option<AlgorithmName>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, value) in &params.settings {
        let path = inference::with(name);
        findings.extend(match algorithm {
            Some(algorithm) => wrong_setting(name, value, algorithm, path),
            None if AlgorithmName::of(purpose).any(|known| known.parameter(name).is_some()) => None,
            None => Some(unknown_setting(name, AlgorithmName::of(purpose), path)),
        });
    }
    for (of, settings) in &params.by_algorithm {
        let place = inference::with("by_algorithm").key(of);
        let Some(own) = AlgorithmName::named(of) else {
            let message = format!("there is no algorithm `{of}`");
            findings.push(Finding::error("S01", place, message).at_word(of));
            continue;
        };
        for (name, value) in settings {
            findings.extend(wrong_setting(name, value, own, place.key(name)));
        }
    }
    let given = params.preprocessing.is_some();
    if let Some(algorithm) = algorithm.filter(|algorithm| given && !algorithm.is_preprocessed()) {
        let name = algorithm.name();
        let message = format!("`preprocessing` has no effect: `{name}` takes columns as they are");
        findings
            .push(Finding::warning("S06", inference::with("preprocessing"), message).help("leave it out"));
    }
    findings
}

fn unknown_setting(
    name: &str,
    algorithms: impl Iterator<Item = AlgorithmName> + Clone,
    path: Path,
) -> Finding {
    let finding = Finding::error("S01", path, format!("no algorithm has a parameter `{name}`")).at_word(name);
    match meant(name, algorithms) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding,
    }
}

/// What is wrong with one parameter of a known algorithm.
pub(crate) fn wrong_setting(
    name: &str,
    value: &Value,
    algorithm: AlgorithmName,
    path: Path,
) -> Option<Finding> {
    if algorithm.parameter(name).is_none() {
        if owners(name).is_empty() {
            return Some(unknown_setting(name, std::iter::once(algorithm), path));
        }
        let finding = Finding::error("S01", path, foreign(name, algorithm)).at_word(name);
        return Some(match meant(name, std::iter::once(algorithm)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!(
                "for several algorithms write it under `by_algorithm: {{{}: ...}}`",
                owners(name).first().copied().unwrap_or_default()
            )),
        });
    }
    let mut one = Map::new();
    one.insert(name.to_owned(), value.clone());
    let fault = algorithm.with(&one).err()?;
    Some(Finding::error("S01", path, fault.why))
}

/// Columns named in `monotone` that are no features of numbers.
fn wrong_monotone(
    request: &InferRequest<'_>,
    params: &Params,
    purpose: Purpose,
    algorithm: AlgorithmName,
) -> Vec<Finding> {
    let settings = params.settings(purpose, algorithm);
    let (Some(Value::Object(monotone)), Some(schema)) =
        (settings.get("monotone"), inference::table(request, "train"))
    else {
        return Vec::new();
    };
    let (roles, _) = columns::roles(schema, "train", params.told(purpose));
    let own = |settings: &Map<String, Value>| settings.contains_key("monotone");
    let place = match params
        .by_algorithm
        .get(algorithm.name())
        .filter(|given| own(given))
    {
        Some(_) => inference::with("by_algorithm")
            .key(algorithm.name())
            .key("monotone"),
        None => inference::with("monotone"),
    };
    monotone
        .keys()
        .filter_map(|name| {
            let path = place.key(name);
            if !roles.features.contains(name) {
                let features = roles.features.iter().map(String::as_str);
                return Some(crate::fault::no_column(name, path, features).at_word(name));
            }
            let column = schema.column(name)?;
            let is_category = columns::is_text(&column.data_type) || params.categorical.contains(name);
            is_category.then(|| {
                let message = format!("`{name}` holds categories, and only numbers rise and fall");
                Finding::error("D01", path, message).at_word(name)
            })
        })
        .collect()
}

/// Parameters that need rows at input `valid`.
fn wants_valid(
    request: &InferRequest<'_>,
    params: &Params,
    purpose: Purpose,
    algorithm: AlgorithmName,
) -> Vec<Finding> {
    if request.inputs.contains_key("valid") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut missing = |path: Path, name: &str, what: &str| {
        let message = format!("`{name}` needs rows to {what}");
        findings.push(Finding::error("S02", path, message).help("give the step an input `valid`"));
    };
    let settings = params.settings(purpose, algorithm);
    if settings
        .get("early_stopping_rounds")
        .is_some_and(|rounds| !rounds.is_null())
    {
        let path = inference::with("early_stopping_rounds");
        missing(path, "early_stopping_rounds", "stop by");
    }
    if params.calibrate != Calibrate::None && params.calibrate_on == CalibrateOn::Valid {
        missing(
            inference::with("calibrate_on"),
            "calibrate_on: valid",
            "calibrate on",
        );
    }
    findings
}

/// The rows with their clusters.
fn cluster_table(request: &InferRequest<'_>, params: &Params, answer: &mut Inference) {
    let Some(schema) = inference::table(request, "train") else {
        return;
    };
    let name = &params.cluster_column;
    if schema.column(name).is_some() {
        let message = format!("`train` has a column `{name}` already");
        let finding = Finding::error("D03", inference::with("cluster_column"), message);
        answer
            .findings
            .push(finding.help("give the clusters another name with `cluster_column:`"));
    } else if request.outputs.contains_key("clusters") {
        let schema = super::cluster::with_clusters(schema, name);
        answer.outputs.insert("clusters".to_owned(), Shape::Table(schema));
    }
}

/// An algorithm that cannot do what the step is for.
pub(crate) fn wrong_algorithm(algorithm: AlgorithmName, purpose: Purpose) -> Option<Finding> {
    if algorithm.is_for(purpose) {
        return None;
    }
    let message = format!("`{}` cannot {}", algorithm.name(), purpose.doing());
    let finding = Finding::error("S01", inference::with("algorithm"), message).at_word(algorithm.name());
    let instead = match algorithm.name() {
        "linear_regression" if purpose == Purpose::Classes => Some("use `logistic_regression`".to_owned()),
        "logistic_regression" if purpose == Purpose::Numbers => Some("use `linear_regression`".to_owned()),
        _ => {
            let of = [Purpose::Classes, Purpose::Numbers, Purpose::Clusters];
            let able = of.into_iter().find(|purpose| algorithm.is_for(*purpose));
            able.map(|able| format!("it belongs to `{}`", able.step()))
        }
    };
    Some(match instead {
        Some(instead) => finding.help(instead),
        None => finding,
    })
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
                roles
                    .features
                    .iter()
                    .chain(&roles.label)
                    .map(String::as_str)
                    .chain(told.sample_weight)
                    .map(str::to_owned)
                    .collect(),
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
