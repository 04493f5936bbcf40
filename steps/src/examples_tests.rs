//! The table steps of the project's example pipelines, checked one after the other and run.

use crate::catalogue;
use crate::testbed::{Bed, example_contract, examples};
use indexmap::IndexMap;
use polars::prelude::{ParquetReader, SerReader};
use serde_json::Value;
use trainyard_contract::task::TaskInput;
use trainyard_contract::{ArtifactKind, OutputValue, Shape};

fn pipeline(name: &str) -> Value {
    let text = std::fs::read_to_string(examples().join(format!("{name}.yaml"))).unwrap();
    let text = text
        .replace("params.late_minutes", "15")
        .replace("\"${{ params.seed }}\"", "42");
    serde_saphyr::from_str(&text).unwrap()
}

/// Checks and runs the steps of that name in order; what each made, by `step.output`.
fn run(name: &str, contracts: &[&str], steps: &[&str]) -> IndexMap<String, TaskInput> {
    let pipeline = pipeline(name);
    let mut made: IndexMap<String, TaskInput> = IndexMap::new();
    let mut bed = contracts
        .iter()
        .fold(Bed::new(), |bed, name| bed.contract(example_contract(name)));
    for (dataset, declared) in pipeline["datasets"].as_object().unwrap() {
        let location = examples().join(declared["path"].as_str().unwrap());
        bed = bed.dataset(
            dataset,
            &location.to_string_lossy(),
            declared["contract"].as_str(),
        );
        made.insert(dataset.clone(), bed.inputs.swap_remove(dataset).unwrap());
    }
    for step in steps {
        let declared = &pipeline["steps"][*step];
        let uses = declared["uses"].as_str().unwrap();
        let step_of = catalogue().get(uses).cloned().unwrap();
        bed.inputs = declared["inputs"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(input, source)| (input.clone(), made[source.as_str().unwrap()].clone()))
            .collect();
        let outputs: Vec<(&str, ArtifactKind)> = declared["outputs"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(output, is)| {
                (
                    output.as_str(),
                    serde_json::from_value(is["type"].clone()).unwrap(),
                )
            })
            .collect();
        let with = declared.get("with").cloned().unwrap_or(Value::Null);
        let answer = bed.infer(step_of.as_ref(), with.clone(), &outputs);
        assert_eq!(answer.findings, [], "{name}.{step}");
        let ended = bed.run(step_of.as_ref(), with.clone(), &outputs).unwrap();
        let again = bed.run(step_of.as_ref(), with, &outputs).unwrap();
        assert_eq!(ended.report.outputs, again.report.outputs, "{name}.{step} twice");
        for (output, value) in &ended.report.outputs {
            if let (Some(Shape::Table(inferred)), OutputValue::Artifact(artifact)) =
                (answer.outputs.get(output), value)
            {
                assert_eq!(Some(inferred), artifact.schema.as_ref(), "{name}.{step}.{output}");
            }
            made.insert(format!("{step}.{output}"), TaskInput::Output(value.clone()));
        }
    }
    made
}

fn rows(made: &IndexMap<String, TaskInput>, name: &str) -> u64 {
    match &made[name] {
        TaskInput::Output(OutputValue::Artifact(artifact)) => artifact.rows.unwrap(),
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn flight_delay_runs_up_to_training() {
    let steps = ["explore", "ingest", "validate", "features", "split"];
    let made = run("flight_delay", &["flights", "weather"], &steps);
    // 336,776 flights, 9,430 without an arrival delay: DATA.md.
    assert_eq!(rows(&made, "features.table"), 327_346);
    let parts: u64 = ["train", "valid", "test"]
        .iter()
        .map(|part| rows(&made, &format!("split.{part}")))
        .sum();
    assert!(parts < 327_346 && parts > 320_000, "{parts}");
}

#[test]
fn flight_delay_at_departure_trains_on_nine_months() {
    let made = run(
        "flight_delay_at_departure",
        &["flights", "weather"],
        &["ingest", "features", "split"],
    );
    // By another way: the local month stands in the data, the split goes by UTC.
    let file = std::fs::File::open(examples().join("data/flights/flights.parquet")).unwrap();
    let flights = ParquetReader::new(file).finish().unwrap();
    let arrived = flights
        .filter(&flights.column("arr_delay").unwrap().is_not_null())
        .unwrap();
    let months = arrived.column("month").unwrap().i16().unwrap();
    let early = months.iter().flatten().filter(|month| *month <= 9).count() as u64;
    assert_eq!(
        (rows(&made, "split.train"), rows(&made, "split.test")),
        (early, 327_346 - early)
    );
}

#[test]
fn income_runs_up_to_its_gates() {
    let steps = [
        "explore", "people", "validate", "features", "split", "train", "evaluate",
    ];
    let made = run("income", &["adult"], &steps);
    assert_eq!(rows(&made, "features.table"), 32_561);
    // 0.7 of 32,561 is 22,792.7; each of two strata is rounded by itself.
    assert_eq!(rows(&made, "split.train"), 22_793);
    let TaskInput::Output(OutputValue::Value(passed)) = &made["evaluate.passed"] else {
        panic!("no verdict")
    };
    assert_eq!(passed, true);
}

#[test]
fn flight_history_runs_up_to_training() {
    let made = run(
        "flight_history",
        &["flights", "weather"],
        &["january", "features", "split"],
    );
    // 27,004 flights in January, 606 of them without an arrival delay: DATA.md.
    assert_eq!(rows(&made, "features.table"), 26_398);
}
