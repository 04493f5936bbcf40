use super::*;
use crate::testbed::{Bed, rows};
use polars::prelude::df;
use serde_json::json;
use trainyard_contract::finding::Severity;
use trainyard_contract::{FitNote, Step};

const ALL: &[(&str, ArtifactKind)] = &[
    ("train", ArtifactKind::Table),
    ("valid", ArtifactKind::Table),
    ("test", ArtifactKind::Table),
];

fn bed() -> Bed {
    let ids: Vec<i64> = (0..20).collect();
    let days: Vec<i32> = (0..20).map(|id| (id * 7) % 20).collect();
    let mut frame = df!("id" => ids, "day" => days).unwrap();
    let dates = frame
        .column("day")
        .unwrap()
        .cast(&polars::prelude::DataType::Date)
        .unwrap();
    frame.with_column(dates).unwrap();
    let mut schema = crate::dataset::bare_schema(frame.schema(), Some("d"));
    schema.event_time = Some("day".into());
    Bed::new().table_of("table", frame, schema)
}

fn fitted() -> Bed {
    let frame = df!("id" => [1i64, 2], "x" => [0.1, 0.2]).unwrap();
    let mut schema = crate::dataset::bare_schema(frame.schema(), Some("d"));
    schema.columns[1].fitted = Some(FitNote {
        step: "features".into(),
        path: Path::root().key("with").key("scale").key("x"),
        what: "scaling of `x`".into(),
    });
    Bed::new().table_of("table", frame, schema)
}

#[test]
fn a_split_by_time_never_tests_on_what_is_earlier_than_training() {
    let bed = bed();
    let with = json!({"train": 0.5, "valid": 0.25, "test": 0.25});
    let ended = bed.run(&SplitTime, with.clone(), ALL).unwrap();
    let days = |part: &str| {
        let frame = ended.frame(part);
        let days = frame
            .column("day")
            .unwrap()
            .cast(&polars::prelude::DataType::Int32)
            .unwrap();
        let days: Vec<i32> = days.i32().unwrap().iter().flatten().collect();
        days
    };
    assert_eq!(days("train").len(), 10);
    assert!(days("train").iter().all(|day| *day < 10));
    assert!(days("valid").iter().all(|day| (10..15).contains(day)));
    assert!(days("test").iter().all(|day| *day >= 15));
    assert_eq!(ended.schema("test").split, Some(("step".into(), "test".into())));
    assert_eq!(
        ended.report.headline.as_deref(),
        Some("train 10, valid 5, test 5")
    );
    let answer = bed.infer(&SplitTime, with, ALL);
    for (output, _) in ALL {
        assert_eq!(
            answer.outputs[*output],
            Shape::Table(ended.schema(output).clone())
        );
    }
}

#[test]
fn bounds_need_no_shares() {
    let with = json!({"train_until": "1970-01-11", "valid_until": "1970-01-16"});
    let ended = bed().run(&SplitTime, with, &ALL[..2]).unwrap();
    assert_eq!(ended.frame("train").height(), 10);
    assert_eq!(ended.log, ["5 rows of `test` are not used"]);
}

#[test]
fn what_a_split_by_time_cannot_do_is_found_before_the_run() {
    let found = |with| {
        let answer = bed().infer(&SplitTime, with, ALL);
        answer
            .findings
            .iter()
            .map(|f| format!("{} {}: {}", f.code, f.path, f.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found(json!({"time_column": "dya", "gap": "soon"})),
        [
            "S01 with.gap: `soon` is not a duration; write `500ms`, `30s`, `5m`, `2h` or `3d`",
            "D01 with.time_column: there is no column `dya` here"
        ]
    );
    assert_eq!(
        found(json!({"time_column": "id"})),
        ["D01/wrong-column-type with.time_column: `id` is of type int64, not a date or timestamp"]
    );
    assert_eq!(
        found(json!({"train": 0.9, "valid": 0.3})),
        ["S01 with.train: the shares add up to 1.2, more than 1"]
    );
    assert_eq!(
        found(json!({"train_until": "autumn"})),
        ["S01 with.train_until: `autumn` is neither a date nor a time"]
    );
}

#[test]
fn a_part_without_rows_is_refused() {
    let error = bed()
        .run(&SplitTime, json!({"train_until": "1960-01-01"}), ALL)
        .unwrap_err();
    assert_eq!(error.failure.message, "no row goes to `train`");
}

#[test]
fn columns_fitted_before_the_split_are_m03_with_where_they_were_fitted() {
    let steps: [(&dyn Step, serde_json::Value); 2] =
        [(&SplitRandom, json!({})), (&SplitGroup, json!({"group": ["id"]}))];
    for (step, with) in steps {
        let answer = fitted().infer(step, with, ALL);
        let finding = &answer.findings[0];
        assert_eq!(
            (finding.code.as_str(), finding.path.to_string().as_str()),
            ("M03", "inputs.table")
        );
        assert_eq!(
            finding.notes,
            ["step `features` fitted it at `with.scale.x`: scaling of `x`"]
        );
    }
}

#[test]
fn a_random_split_of_rows_with_an_event_time_is_m05() {
    let answer = bed().infer(&SplitRandom, json!({"seed": 1}), ALL);
    assert_eq!(answer.findings.len(), 1);
    assert_eq!(
        (answer.findings[0].code.as_str(), answer.findings[0].severity),
        ("M05", Severity::Warning)
    );
    assert!(bed().infer(&SplitTime, json!({}), ALL).findings.is_empty());
}

#[test]
fn a_random_split_loses_no_row_and_doubles_none() {
    let ended = bed().run(&SplitRandom, json!({"seed": 5}), ALL).unwrap();
    let mut ids: Vec<i64> = Vec::new();
    for (part, _) in ALL {
        ids.extend(
            ended
                .frame(part)
                .column("id")
                .unwrap()
                .i64()
                .unwrap()
                .iter()
                .flatten(),
        );
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..20).collect::<Vec<_>>());
    assert_eq!(rows(&ended.frame("train").head(Some(1))).len(), 1);
}
