use super::*;
use crate::run::fixture::{definition, run_id, step};
use crate::run::{BoundParam, Input, ParamOrigin, RunDefinition};
use indexmap::IndexMap;
use serde_json::json;
use std::sync::Arc;
use trainyard_contract::Timestamp;

/// `ingest` → `split` → `train` → `report`, and `weather` beside them; `train` reads the parameter `seed`.
fn example(seed: u64) -> RunDefinition {
    let mut definition = definition([
        step("ingest"),
        step("weather"),
        step("split").takes(&["ingest"]),
        step("train").takes(&["split"]),
        step("report").takes(&["train", "weather"]),
    ]);
    definition.params.insert(
        "seed".to_owned(),
        BoundParam {
            value: json!(seed),
            from: ParamOrigin::Default,
        },
    );
    definition.as_written = IndexMap::from([
        ("ingest".to_owned(), json!({"uses": "ingest.files@v1"})),
        (
            "train".to_owned(),
            json!({"with": {"seed": "${{ params.seed }}"}}),
        ),
        (
            "split".to_owned(),
            json!({"with": {"seed": "${{ params.seeds }}"}}),
        ),
    ]);
    definition
}

/// A run whose steps gave these numbers, in the order of the definition.
fn run(definition: RunDefinition, gave: &[i64]) -> Run {
    let mut run = Run::new(run_id(1), Arc::new(definition)).unwrap();
    let mut decide = |input| {
        run.decide(Timestamp(1), input);
    };
    decide(Input::Start {
        by: "ada".to_owned(),
        select: None,
    });
    for (step, number) in (0..).zip(gave) {
        decide(Input::Launch { step, key: None });
        decide(Input::Succeeded {
            step,
            attempt: 1,
            outputs: IndexMap::from([("out".to_owned(), OutputValue::Value(json!(number)))]),
            metrics: IndexMap::new(),
            headline: None,
            resources: Default::default(),
        });
    }
    run
}

fn names(comparison: &Comparison) -> Vec<(&str, bool)> {
    let steps = comparison.steps.iter();
    steps
        .map(|step| (step.instance.as_str(), step.is_origin))
        .collect()
}

#[test]
fn runs_that_made_the_same_are_the_same() {
    let comparison = Comparison::of(
        &run(example(1), &[1, 2, 3, 4, 5]),
        &run(example(1), &[1, 2, 3, 4, 5]),
    );
    assert!(comparison.is_same());
    assert_eq!(comparison.spec, []);
}

#[test]
fn a_difference_is_followed_to_the_step_where_it_began_and_to_what_that_step_is_made_of() {
    let comparison = Comparison::of(
        &run(example(1), &[1, 2, 3, 4, 5]),
        &run(example(2), &[1, 2, 3, 40, 50]),
    );
    assert_eq!(names(&comparison), [("train", true), ("report", false)]);
    assert_eq!(comparison.steps[0].because, ["params.seed"]);
    assert_eq!(
        comparison.steps[0].outputs,
        [Named {
            name: "out".to_owned(),
            pair: Pair {
                before: Some(Made::Value(json!(4))),
                now: Some(Made::Value(json!(40))),
            },
        }]
    );
}

#[test]
fn two_origins_are_both_named_and_one_without_a_known_reason_says_so() {
    let comparison = Comparison::of(
        &run(example(1), &[1, 2, 3, 4, 5]),
        &run(example(1), &[9, 8, 3, 4, 5]),
    );
    assert_eq!(names(&comparison), [("ingest", true), ("weather", true)]);
    assert_eq!(comparison.steps[0].because, Vec::<String>::new());
}

#[test]
fn data_and_code_that_changed_are_reasons() {
    let mut now = example(1);
    let mut before = example(1);
    for (of, content) in [(&mut before, "a"), (&mut now, "b")] {
        let hash = ContentHash::of(content.as_bytes());
        of.datasets.insert(
            "flights".to_owned(),
            trainyard_contract::task::DatasetRef {
                name: "flights".to_owned(),
                location: "flights.csv".to_owned(),
                folder: None,
                format: None,
                options: Value::Null,
                contract: None,
                content: Some(hash),
            },
        );
        of.files.insert("train.py".to_owned(), hash);
        of.as_written
            .insert("weather".to_owned(), json!({"run": "python train.py"}));
        of.instances[0]
            .inputs
            .insert("in".to_owned(), BoundInput::Dataset("flights".to_owned()));
    }
    let comparison = Comparison::of(&run(before, &[1, 2, 3, 4, 5]), &run(now, &[9, 8, 3, 4, 5]));
    let because: Vec<&[String]> = comparison
        .steps
        .iter()
        .map(|step| step.because.as_slice())
        .collect();
    assert_eq!(
        because,
        [["dataset flights".to_owned()], ["file train.py".to_owned()]]
    );
}

#[test]
fn a_step_of_many_items_differs_where_its_items_do() {
    let of = |second: i64| {
        let mut run = Run::new(
            run_id(1),
            Arc::new(definition([step("score").for_each(
                json!(["a", "b"]),
                None,
                false,
            )])),
        )
        .unwrap();
        run.decide(
            Timestamp(1),
            Input::Start {
                by: "ada".to_owned(),
                select: None,
            },
        );
        for (item, number) in [("score[0]", 1), ("score[1]", second)] {
            let step = run
                .steps()
                .map(|(ix, _)| ix)
                .find(|ix| run.name(*ix) == item)
                .unwrap();
            run.decide(Timestamp(1), Input::Launch { step, key: None });
            run.decide(
                Timestamp(1),
                Input::Succeeded {
                    step,
                    attempt: 1,
                    outputs: IndexMap::from([("out".to_owned(), OutputValue::Value(json!(number)))]),
                    metrics: IndexMap::from([("loss".to_owned(), number as f64)]),
                    headline: None,
                    resources: Default::default(),
                },
            );
        }
        run
    };
    let comparison = Comparison::of(&of(2), &of(3));
    assert_eq!(comparison.measured, []);
    assert!(
        names(&comparison).contains(&("score[1]", true)),
        "{:?}",
        names(&comparison)
    );
    assert!(
        names(&comparison)
            .iter()
            .all(|(name, is_origin)| *name != "score" || !is_origin)
    );
    assert!(!names(&comparison).iter().any(|(name, _)| *name == "score[0]"));
}

#[test]
fn steps_that_only_one_of_them_has_are_told() {
    let shorter = || definition([step("ingest")]);
    let longer = || definition([step("ingest"), step("check")]);
    let comparison = Comparison::of(&run(longer(), &[1, 2]), &run(shorter(), &[1]));
    assert_eq!(names(&comparison), [("check", false)]);
    assert_eq!(
        comparison.steps[0].state,
        Some(Pair {
            before: Some("succeeded"),
            now: None,
        })
    );
}

#[test]
fn a_number_that_no_output_holds_is_a_measurement_and_no_difference() {
    let of = |latency: f64, out: i64| {
        let mut run = Run::new(
            run_id(1),
            Arc::new(definition([step("evaluate"), step("after").takes(&["evaluate"])])),
        )
        .unwrap();
        run.decide(
            Timestamp(1),
            Input::Start {
                by: "ada".to_owned(),
                select: None,
            },
        );
        run.decide(Timestamp(1), Input::Launch { step: 0, key: None });
        run.decide(
            Timestamp(1),
            Input::Succeeded {
                step: 0,
                attempt: 1,
                outputs: IndexMap::from([("out".to_owned(), OutputValue::Value(json!(out)))]),
                metrics: IndexMap::from([("latency".to_owned(), latency)]),
                headline: None,
                resources: Default::default(),
            },
        );
        run
    };
    let comparison = Comparison::of(&of(1.0, 1), &of(2.0, 1));
    assert!(comparison.is_same());
    assert_eq!(comparison.measured[0].name, "evaluate.latency");
    assert!(!Comparison::of(&of(1.0, 1), &of(2.0, 2)).is_same());
}
