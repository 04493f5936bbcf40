//! What the reference says of every step of this crate.

use crate::catalogue;
use trainyard_contract::reference::StepReference;

#[test]
fn every_parameter_of_every_step_says_what_it_does() {
    let silent: Vec<String> = StepReference::all(&catalogue())
        .iter()
        .flat_map(|step| {
            let silent = step
                .parameters
                .iter()
                .filter(|parameter| parameter.doc.is_empty());
            silent.map(|parameter| format!("{} {}", step.uses, parameter.path))
        })
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn every_parameter_of_training_and_tuning_says_what_it_is_if_it_is_left_out() {
    let silent: Vec<String> = StepReference::all(&catalogue())
        .iter()
        .filter(|step| step.uses.starts_with("train.") || step.uses.starts_with("tune."))
        .flat_map(|step| {
            let optional = step.parameters.iter().filter(|parameter| !parameter.required);
            // Inside a map the map's own meaning says it.
            let own = optional.filter(|parameter| !parameter.path.contains(['.', '[']));
            own.filter(|parameter| parameter.default.is_empty() && !parameter.doc.contains("Default"))
                .map(|parameter| format!("{} {}", step.uses, parameter.path))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn parameters_of_algorithms_stand_in_the_reference_with_range_unit_and_source() {
    let all = StepReference::all(&catalogue());
    let classifier = all
        .iter()
        .find(|step| step.uses == "train.classifier@v1")
        .unwrap();
    let rounds = classifier
        .parameters
        .iter()
        .find(|one| one.path == "n_rounds")
        .unwrap();
    assert_eq!(
        (
            rounds.of.as_str(),
            rounds.default.as_str(),
            rounds.range.as_str(),
            rounds.unit.as_str()
        ),
        ("integer", "`200`", "1 to 100,000", "rounds")
    );
    assert_eq!(rounds.algorithms, ["gradient_boosting"]);
    assert!(rounds.source.contains("LightGBM"));
    let algorithm = classifier
        .parameters
        .iter()
        .find(|one| one.path == "algorithm")
        .unwrap();
    assert!(algorithm.values.iter().any(|(name, _)| name == "naive_bayes"));
    assert!(
        algorithm
            .values
            .iter()
            .all(|(name, doc)| name != "kmeans" && !doc.is_empty())
    );
}
