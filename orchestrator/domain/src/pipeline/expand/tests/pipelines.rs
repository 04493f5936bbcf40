//! Pipelines as steps.

use super::{also, bind, found, instance, sound, told, upstream};
use crate::pipeline::files::memory::MemoryFiles;
use crate::pipeline::fixture::{checked, project};
use crate::run::definition::{BoundInput, Condition};
use serde_json::json;

const PREPARE: &str = r#"version: 1
name: prepare
revision: 2
include: [../contracts/flights.yaml]
params:
  late: {type: integer, default: 15, min: 1}
datasets:
  flights: {path: data/flights.csv, contract: flights}
defaults: {timeout: 5m}
steps:
  features:
    uses: features.build@v1
    inputs: {flights: flights}
    with:
      predict_at: schedule
      keep: [carrier, distance]
      label: {name: is_late, expr: "arr_delay > params.late"}
    outputs: {table: {type: table}}
  note:
    needs: [features]
    if: "${{ params.late > 5 }}"
    run: echo "$ROWS"
    env: {ROWS: "${{ steps.features.outputs.table.rows }}"}
outputs:
  table: features.table
"#;

fn using(text: &str) -> MemoryFiles {
    project(&format!("version: 1\nname: p\n{text}")).with("pipelines/prepare.yaml", PREPARE)
}

const USE: &str = "  prep: {uses: \"pipeline:prepare@v2\", with: {late: 30}}\n";
const FIT: &str = "  fit: {uses: train.regressor@v1, inputs: {train: prep.table}}\n";

#[test]
fn the_steps_of_a_pipeline_become_steps_of_the_one_that_uses_it() {
    let pipeline = sound(&using(&format!("steps:\n{USE}{FIT}")));
    let definition = bind(&pipeline);
    let names: Vec<&str> = definition.instances.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["prep.features", "prep.note", "fit"]);
    let features = instance(&definition, "prep.features");
    assert_eq!(features.with["label"]["expr"], json!("arr_delay > 30"));
    assert_eq!(features.limits.timeout.map(|timeout| timeout.0), Some(300_000));
    assert_eq!(upstream(&definition, "prep.note"), ["(prep.features)"]);
    assert_eq!(upstream(&definition, "fit"), ["prep.features"]);
    let fit = instance(&definition, "fit");
    let table = BoundInput::Output {
        instance: 0,
        output: "table".into(),
    };
    assert_eq!(fit.inputs["train"], table);
    let note = instance(&definition, "prep.note").process.as_ref().unwrap();
    assert_eq!(
        note.env["ROWS"],
        "${{ steps['prep.features'].outputs.table.rows }}"
    );
    // Its dataset came along, and columns are known all the way.
    assert!(definition.datasets.contains_key("flights"));
    assert!(pipeline.shape("fit", "model").is_some());
}

#[test]
fn the_same_pipeline_is_used_twice_with_other_values() {
    let twice = format!("{USE}  more: {{uses: \"pipeline:prepare@v2\"}}\n{FIT}");
    let definition = bind(&sound(&using(&format!("steps:\n{twice}"))));
    let expr = |name: &str| instance(&definition, name).with["label"]["expr"].clone();
    assert_eq!(
        (expr("prep.features"), expr("more.features")),
        (json!("arr_delay > 30"), json!("arr_delay > 15"))
    );
    assert_eq!(definition.datasets.len(), 1, "the same data is one dataset");
}

#[test]
fn order_condition_tags_and_policy_of_the_use_hold_for_its_steps() {
    let text = format!(
        "params: {{deploy: {{type: boolean, default: true}}}}\nsteps:\n  first: {{run: 'true'}}\n{}{}",
        "  prep:\n    uses: \"pipeline:prepare@v2\"\n    needs: [first]\n    if: \"${{ params.deploy && steps.first.status == 'succeeded' }}\"\n    \
         timeout: 9m\n    retry: {max_attempts: 3}\n    tags: [data]\n",
        "  last: {needs: [prep], run: 'true', env: {ROWS: \"${{ steps.prep.outputs.table.rows }}\"}}\n"
    );
    let definition = bind(&sound(&using(&text)));
    let features = instance(&definition, "prep.features");
    assert_eq!(upstream(&definition, "prep.features"), ["(first)"]);
    assert_eq!(features.limits.timeout.map(|timeout| timeout.0), Some(540_000));
    assert_eq!(
        (features.retry.max_attempts, features.tags.as_slice()),
        (3, ["data".to_owned()].as_slice())
    );
    assert_eq!(
        features.condition,
        Condition::When("params.deploy && steps.first.status == 'succeeded'".into())
    );
    assert_eq!(
        instance(&definition, "prep.note").condition,
        Condition::When("(params.deploy && steps.first.status == 'succeeded') && (15 > 5)".into())
    );
    assert_eq!(upstream(&definition, "last"), ["(prep.features)", "(prep.note)"]);
    let env = &instance(&definition, "last").process.as_ref().unwrap().env;
    assert_eq!(env["ROWS"], "${{ steps['prep.features'].outputs.table.rows }}");
}

#[test]
fn a_dataset_is_replaced_by_what_inputs_give() {
    let load = "  load: {uses: ingest.files@v1, inputs: {rows: own}, outputs: {rows: {type: table}}}\n";
    let give = "  prep: {uses: \"pipeline:prepare@v2\", inputs: {flights: load.rows}}\n";
    let head = "include: [../contracts/flights.yaml]\ndatasets: {own: {path: data/flights.csv, contract: flights}}\n";
    let definition = bind(&sound(&using(&format!("{head}steps:\n{load}{give}{FIT}"))));
    assert_eq!(upstream(&definition, "prep.features"), ["load"]);
    assert_eq!(definition.datasets.keys().collect::<Vec<_>>(), ["own"]);
    let narrow = using(&format!(
        "include: [../contracts/few.yaml]\ndatasets: {{own: {{path: data/flights.csv, contract: few}}}}\nsteps:\n{load}{give}{FIT}"
    ))
    .with("contracts/few.yaml", "version: 1\nname: few\ncolumns: {carrier: {type: string, nullable: false}}\n");
    let lacking = found(&narrow);
    assert!(
        lacking
            .iter()
            .any(|found| found.starts_with("D01/missing-column 7:57 load.rows")),
        "{lacking:?}"
    );
    let wrong = using(&format!(
        "steps:\n  prep: {{uses: \"pipeline:prepare@v2\", inputs: {{late: x.y}}}}\n{FIT}"
    ));
    let all = checked(&wrong, &["pipelines/p.yaml"], None);
    assert_eq!(all.diagnostics[0].code, "S02/unknown-input");
    assert_eq!(
        all.diagnostics[0].help.as_deref(),
        Some("`late` is a param: set it under `with:`")
    );
}

#[test]
fn a_pipeline_is_found_by_name_and_revision() {
    for (uses, help) in [
        ("pipeline:prepare@v1", "did you mean `pipeline:prepare@v2`?"),
        ("pipeline:prepar@v2", "did you mean `pipeline:prepare@v2`?"),
        ("pipeline:prepare", "did you mean `pipeline:prepare@v2`?"),
    ] {
        let files = using(&format!("steps:\n  prep: {{uses: \"{uses}\"}}\n{FIT}"));
        let all = checked(&files, &["pipelines/p.yaml"], None);
        assert_eq!(found(&files).len(), 1, "{uses}: {:#?}", all.diagnostics);
        assert_eq!(all.diagnostics[0].code, "S02/unknown-pipeline");
        assert_eq!(all.diagnostics[0].help.as_deref(), Some(help), "{uses}");
    }
    // An older one that some still use is kept beside the libraries.
    let files = using(&format!("steps:\n{}{FIT}", USE.replace("@v2", "@v1")))
        .with("lib/prepare_1.yaml", PREPARE.replace("revision: 2\n", ""));
    assert_eq!(found(&files), [""; 0]);
}

#[test]
fn a_pipeline_that_uses_itself_is_told_with_the_way_round() {
    let files = project("version: 1\nname: p\nsteps: {a: {uses: \"pipeline:q@v1\"}}\n").with(
        "pipelines/q.yaml",
        "version: 1\nname: q\nsteps: {b: {uses: \"pipeline:p@v1\"}}\n",
    );
    let all = checked(&files, &["pipelines/p.yaml"], None);
    assert_eq!(all.diagnostics[0].code, "S04/cycle");
    assert_eq!(
        all.diagnostics[0].notes,
        ["the way round: pipeline:p@v1 → pipeline:q@v1 → pipeline:p@v1"]
    );
    assert_eq!(also(&all), ["used here pipelines/p.yaml 3:19"]);
    assert!(all.pipelines.is_empty());
}

#[test]
fn only_what_a_pipeline_gives_is_seen_of_it() {
    for (step, expected) in [
        (
            "{uses: train.regressor@v1, inputs: {train: prep.tabel}}",
            "S02/unknown-output 5:51 prep.tabel",
        ),
        (
            "{uses: train.regressor@v1, inputs: {train: prep.features.table}}",
            "S02/unknown-output 5:51 prep.features.table",
        ),
        (
            "{run: 'true', needs: [prep.note]}",
            "S02/unknown-step 5:30 prep.note",
        ),
    ] {
        let all = found(&using(&format!("steps:\n{USE}  fit: {step}\n")));
        assert!(all.contains(&expected.to_owned()), "{step}: {all:?}");
    }
    let inside = "{run: 'true', env: {X: \"${{ steps.prep.outputs.rows }}\"}}";
    let all = found(&using(&format!("steps:\n{USE}  fit: {inside}\n")));
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].starts_with("S02/unknown-output"), "{all:?}");
}

#[test]
fn leakage_inside_is_shown_there_and_where_it_is_used() {
    let leaking = PREPARE.replace("[carrier, distance]", "[carrier, dep_delay]");
    let files = using(&format!("steps:\n{USE}")).with("pipelines/prepare.yaml", leaking);
    let all = checked(&files, &["pipelines/p.yaml"], None);
    assert_eq!(found(&files), ["M01/known-too-late 16:23 dep_delay"]);
    let leak = all
        .diagnostics
        .iter()
        .find(|found| found.code.starts_with("M01"))
        .unwrap();
    assert_eq!(
        all.sources.file(leak.primary.span.file).unwrap().name,
        "pipelines/prepare.yaml"
    );
    assert!(
        also(&all).contains(&"used here pipelines/p.yaml 4:16".to_owned()),
        "{:?}",
        also(&all)
    );
    // What is at fault is the one that cannot be run.
    let both = checked(&files, &["pipelines/p.yaml", "pipelines/prepare.yaml"], None);
    assert_eq!(told(&both).len(), 1, "{:?}", told(&both));
    assert!(both.pipelines.is_empty());
}

#[test]
fn a_fault_of_the_using_pipeline_leaves_the_used_one_runnable() {
    let late = USE.replace("30", "\"${{ environment.name }}\"");
    let files = using(&format!("steps:\n{late}{FIT}"));
    let all = checked(&files, &["pipelines/p.yaml", "pipelines/prepare.yaml"], None);
    assert_eq!(all.diagnostics[0].code, "S03/type");
    let names: Vec<&str> = all.pipelines.iter().map(|p| p.name().as_str()).collect();
    assert_eq!(names, ["prepare"]);
}

#[test]
fn what_is_for_single_steps_is_refused() {
    let files = using(&format!(
        "steps:\n{}{FIT}",
        USE.replace("with: {late: 30}", "matrix: {a: [1]}")
    ));
    assert_eq!(found(&files), ["S01/exclusive-keys 4:39 matrix"]);
}

#[test]
fn pipelines_are_used_inside_of_pipelines_that_are_used() {
    let middle = "version: 1\nname: middle\nparams: {most: {type: integer, default: 60}}\nsteps:\n  \
        inner: {uses: \"pipeline:prepare@v2\", with: {late: \"${{ params.most / 2 }}\"}, continue_on_error: true}\n  \
        fit: {uses: train.regressor@v1, inputs: {train: inner.table}}\noutputs: {model: fit.model, rows: inner.table}\n";
    let files = using(
        "steps:\n  outer: {uses: \"pipeline:middle@v1\", with: {most: 80}}\n  \
        again: {uses: train.regressor@v1, inputs: {train: outer.rows}}\n",
    )
    .with("pipelines/middle.yaml", middle);
    let definition = bind(&sound(&files));
    let names: Vec<&str> = definition.instances.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(
        names,
        ["outer.inner.features", "outer.inner.note", "outer.fit", "again"]
    );
    assert_eq!(upstream(&definition, "again"), ["outer.inner.features"]);
    assert_eq!(
        instance(&definition, "outer.inner.note").condition,
        Condition::Always,
        "80 / 2 is more than 5"
    );
    let tolerated = |name: &str| instance(&definition, name).tolerated_by.clone();
    assert_eq!(tolerated("outer.inner.features").as_deref(), Some("outer.inner"));
    assert_eq!(tolerated("outer.fit"), None);
}
