//! What is wrong with a search before any row is read.

use super::Params;
use super::folds::By;
use super::plan::Method;
use super::space::{ALGORITHM, Name, wrong_ends};
use super::trial::{Resource, rounds_of};
use crate::inference;
use crate::train;
use crate::train::algorithm::{AlgorithmName, Purpose, foreign, meant};
use crate::train::preparation::PREPROCESSING;
use trainyard_contract::InferRequest;
use trainyard_contract::finding::Finding;

/// A goal that looks for the worst, or a metric of something else.
pub(super) fn wrong_goal(params: &Params, purpose: Purpose) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(measure) = params.metric else {
        return findings;
    };
    if params.goal.is_some() && params.maximizes(measure) != measure.higher_is_better() {
        let better = if measure.higher_is_better() {
            "higher"
        } else {
            "lower"
        };
        let message = format!(
            "this looks for the worst model: {better} `{}` is better",
            measure.name()
        );
        findings.push(Finding::warning("S03", inference::with("goal"), message).help("leave `goal` out"));
    }
    if measure.purpose() != purpose {
        let message = format!(
            "`{}` does not measure models that {}",
            measure.name(),
            purpose.doing()
        );
        findings.push(Finding::error("S01", inference::with("metric"), message).at_word(measure.name()));
    }
    findings
}

/// Splits that cannot be made.
pub(super) fn wrong_validation(params: &Params, request: &InferRequest<'_>) -> Vec<Finding> {
    let Some(validation) = &params.validation else {
        return Vec::new();
    };
    let place = inference::with("validation");
    let mut findings = Vec::new();
    if request.inputs.contains_key("valid") {
        let message = "`validation` has no effect: trials are judged by the rows at input `valid`";
        findings.push(Finding::warning("S06", place.clone(), message).help("leave one of the two out"));
    }
    if validation.folds.is_some() && validation.holdout.is_some() {
        let message = "`folds` and `holdout` are two ways to judge a trial";
        findings.push(Finding::error("S01", place.key("holdout"), message).help("keep one of the two"));
    }
    if validation.by == Some(By::Group) && validation.column.is_none() {
        let message = "splitting by group needs the column of the groups";
        findings.push(Finding::error("S01", place.key("by"), message).help("name it with `column:`"));
    }
    if let Some(schema) = inference::table(request, "train") {
        if validation.by == Some(By::Time) && validation.column.is_none() && schema.event_time.is_none() {
            let message = "splitting by time needs a column of time, and `train` declares none";
            findings.push(Finding::error("S01", place.key("by"), message).help("name it with `column:`"));
        }
        if let Some(name) = validation
            .column
            .as_deref()
            .filter(|name| schema.column(name).is_none())
        {
            let finding = crate::fault::no_column(name, place.key("column"), schema.names());
            findings.push(finding.at_word(name));
        }
        let by_chance = matches!(validation.by, Some(By::Random | By::Stratified));
        if by_chance && let Some(time) = &schema.event_time {
            let message = format!("rows are split by chance, but `{time}` says when they happened");
            let help = "use `by: time`, so that trials learn from the past alone";
            findings.push(Finding::warning("M05", place.key("by"), message).help(help));
        }
    }
    findings
}

/// Names that no algorithm (or none of these) has, values they cannot take, conditions that cannot be.
pub(super) fn wrong_space(
    params: &Params,
    purpose: Purpose,
    algorithms: Option<&[AlgorithmName]>,
) -> Vec<Finding> {
    let all: Vec<AlgorithmName> = match algorithms {
        Some(algorithms) => algorithms.to_vec(),
        None => AlgorithmName::of(purpose).collect(),
    };
    let mut findings = Vec::new();
    for (place, name) in params
        .search
        .keys()
        .map(|name| ("search", name))
        .chain(params.params.keys().map(|name| ("params", name)))
    {
        let path = inference::with(place).key(name);
        let of = Name::of(name);
        if let Name::Preprocessing(part) = of {
            if !PREPROCESSING.iter().any(|parameter| parameter.name == part) {
                let message = format!("preprocessing has no part `{part}`");
                let parts: Vec<&str> = PREPROCESSING.iter().map(|parameter| parameter.name).collect();
                let help = format!("it has {}", crate::fault::list(&parts));
                findings.push(Finding::error("S01", path, message).at_word(name).help(help));
            }
            continue;
        }
        if matches!(of, Name::Algorithm) && place == "params" {
            let message = "the algorithm is named by `algorithm`, beside `params`";
            findings.push(Finding::error("S01", path, message));
            continue;
        }
        if !AlgorithmName::all().any(|algorithm| of.is_of(algorithm)) {
            let finding =
                Finding::error("S01", path, format!("no algorithm has a parameter `{name}`")).at_word(name);
            findings.push(match meant(name, all.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding,
            });
        } else if !all.iter().any(|algorithm| of.is_of(*algorithm)) {
            let first = all.first().copied().unwrap_or_default();
            let message = match of {
                Name::Of(other, _) => format!("`{name}` is for `{}`, which is not tried", other.name()),
                _ => foreign(name, first),
            };
            let finding = Finding::error("S01", path, message).at_word(name);
            let names = first.parameter_names();
            findings.push(finding.help(format!("`{}` has {}", first.name(), crate::fault::list(&names))));
        } else if place == "params" {
            for algorithm in &all {
                if let Some(parameter) = of.parameter(*algorithm)
                    && let Some(value) = params.params.get(name)
                {
                    let path = inference::with(place).key(name);
                    findings.extend(train::wrong_setting(parameter.name, value, *algorithm, path));
                    break;
                }
            }
        }
        if place == "search" && params.params.contains_key(name) {
            let message = format!("`{name}` is both searched and fixed under `params`");
            findings.push(Finding::error("S01", inference::with("params").key(name), message).at_word(name));
        }
    }
    findings.extend(wrong_ranges(params, &all));
    if params.resource == Resource::Rounds
        && matches!(params.method, Method::Halving | Method::Hyperband)
        && let Some(without) = algorithms
            .iter()
            .copied()
            .flatten()
            .find(|name| rounds_of(**name).is_none())
    {
        let message = format!("`{}` has no rounds or trees to make fewer of", without.name());
        let path = inference::with("resource");
        findings.push(Finding::error("S01", path, message).help("use `resource: rows`"));
    }
    findings
}

fn wrong_ranges(params: &Params, algorithms: &[AlgorithmName]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (nth, (name, dimension)) in params.search.iter().enumerate() {
        let path = inference::with("search").key(name);
        let range = match dimension.range() {
            Ok(range) => range,
            Err(fault) => {
                let message = format!("the range of `{name}` has no value: {fault}");
                findings.push(Finding::error("S01", path, message));
                continue;
            }
        };
        let of = Name::of(name);
        if matches!(of, Name::Algorithm) {
            let unknown = range
                .choices()
                .unwrap_or_default()
                .iter()
                .find(|value| value.as_str().and_then(AlgorithmName::named).is_none());
            if range.choices().is_none() || unknown.is_some() {
                let shown = unknown.map_or_else(String::new, |value| format!(": there is no {value}"));
                let message = format!("`algorithm` is one of the algorithms by name{shown}");
                findings.push(Finding::error("S01", path.clone(), message));
            }
        }
        let wrong = algorithms
            .iter()
            .filter_map(|algorithm| wrong_ends(&range, of.parameter(*algorithm)?))
            .next();
        if let Some(why) = wrong {
            findings.push(Finding::error(
                "S01",
                path.clone(),
                format!("`{name}` cannot be {why}"),
            ));
        }
        for (other, _) in dimension.conditions() {
            let before = params.search.keys().take(nth).any(|known| known == other);
            if !before && other != ALGORITHM {
                let message = match params.search.contains_key(other) {
                    true => format!("`{name}` depends on `{other}`, which stands below it"),
                    false => format!("`{name}` depends on `{other}`, which is not searched"),
                };
                let path = path.key("when").key(other);
                findings.push(Finding::error("S02", path, message).at_word(other));
            }
        }
    }
    findings
}
