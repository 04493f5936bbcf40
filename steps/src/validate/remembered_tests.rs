//! Columns beside the last good data.

use super::*;

/// The check of `x` against the last good data.
fn beside_previous() -> Value {
    json!({"dataset": "t", "column": "x", "where": "x >= 0",
        "rule": {"distribution": {"reference": "previous", "psi_at_most": 0.1}}})
}

const REMEMBERING: &[(&str, ArtifactKind)] = &[
    ("report", ArtifactKind::Report),
    ("distributions", ArtifactKind::Table),
];

#[test]
fn a_column_is_compared_with_the_last_good_run_and_bad_data_are_not_remembered() {
    let frame =
        |shift: f64| df!("x" => (0..200).map(|row| f64::from(row % 20) + shift).collect::<Vec<_>>()).unwrap();
    let with = json!({"checks": [beside_previous()], "on_failure": "report"});
    assert_eq!(ValidateContract.memory(&with), Some(Memory::Latest));
    assert_eq!(ValidateContract.memory(&json!({"checks": []})), None);
    let run = |bed: Bed| bed.run(&ValidateContract, with.clone(), REMEMBERING).unwrap();
    let says = |ended: &crate::testbed::Ended| {
        let check = &ended.json("report")["checks"][0];
        (
            check["passed"] == true,
            check["says"].as_str().unwrap().to_owned(),
        )
    };
    let first = run(Bed::new().table("t", frame(0.0)));
    assert_eq!(
        says(&first),
        (true, "t.x: there is no `previous` yet to compare with".to_owned())
    );
    assert_eq!(
        crate::testbed::rows(&first.frame("distributions"))[0],
        "t|x|x >= 0|0|-|10|200"
    );
    let second = run(Bed::new().table("t", frame(5.0)).after(&first).sharing(&first));
    let (passed, words) = says(&second);
    assert!(
        !passed && words.starts_with("t.x beside previous.x: PSI "),
        "{words}"
    );
    assert_eq!(
        second.artifact("distributions").hash,
        first.artifact("distributions").hash
    );
    let third = run(Bed::new().table("t", frame(0.0)).after(&second).sharing(&second));
    assert_eq!(
        says(&third).1,
        "t.x beside previous.x: PSI 0 (at most 0.1), KS 0, mean shift 0; n = 200 and 200"
    );
}

#[test]
fn texts_and_missing_values_are_remembered_and_long_columns_thinned_out() {
    let words: Vec<Option<&str>> = (0..250_000)
        .map(|row| [Some("a"), Some("a"), Some("b"), None][row % 4])
        .collect();
    let numbers: Vec<f64> = (0..250_000).map(|row| f64::from(row % 1000)).collect();
    let frame = df!("word" => words, "x" => numbers).unwrap();
    let compared = |column: &str| {
        json!({"dataset": "t", "column": column,
            "rule": {"distribution": {"reference": "previous", "psi_at_most": 1e-6}}})
    };
    let with = json!({"checks": [compared("word"), compared("x")]});
    let first = Bed::new()
        .table("t", frame.clone())
        .run(&ValidateContract, with.clone(), REMEMBERING)
        .unwrap();
    assert_eq!(
        crate::testbed::rows(&first.frame("distributions"))[..3],
        [
            "t|word|-|-|-|25000|250000",
            "t|word|-|-|a|50000|250000",
            "t|word|-|-|b|25000|250000"
        ]
    );
    let again = Bed::new().table("t", frame).after(&first).sharing(&first);
    let ended = again.run(&ValidateContract, with, REMEMBERING).unwrap();
    let says = ended.json("report")["checks"][1]["says"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        says.ends_with("n = 250,000 and 100,000, evenly drawn from 250,000"),
        "{says}"
    );
}

#[test]
fn a_comparison_with_what_nobody_remembers_is_found_before_the_run() {
    let params = json!({"checks": [{"dataset": "t", "column": "x",
        "rule": {"distribution": {"reference": "previous", "psi_at_most": 0.1}}}]});
    let found = bed().infer(&ValidateContract, params.clone(), REPORT).findings;
    let place = with("checks")
        .index(0)
        .key("rule")
        .key("distribution")
        .key("reference");
    assert_eq!(
        found.iter().map(|finding| &finding.path).collect::<Vec<_>>(),
        [&place]
    );
    assert!(
        bed()
            .infer(&ValidateContract, params, REMEMBERING)
            .findings
            .is_empty()
    );
}
