//! Kinds of libraries and pipelines as steps, by the real binary.

use crate::yard::Yard;

fn ranking(yard: &Yard) -> serde_json::Value {
    yard.trainyard(&["run", "delay_reports.yaml"]).expect(0);
    yard.json(&["runs", "show"])
}

#[test]
fn a_pipeline_is_used_twice_as_steps_of_one_run_and_reused_step_by_step() {
    let yard = Yard::examples();
    let first = ranking(&yard);
    let states = |run: &serde_json::Value| -> Vec<(String, String)> {
        let steps = run["steps"].as_object().unwrap();
        let state = |step: &serde_json::Value| step["state"].as_str().unwrap().to_owned();
        steps
            .iter()
            .map(|(name, step)| (name.clone(), state(step)))
            .collect()
    };
    let all = [
        "both",
        "late.ranking",
        "late.shares",
        "very_late.ranking",
        "very_late.shares",
    ];
    let with = |state: &str| -> Vec<(String, String)> {
        let mut all: Vec<_> = all
            .iter()
            .map(|name| ((*name).to_owned(), state.to_owned()))
            .collect();
        all.sort();
        all
    };
    let sorted = |run: &serde_json::Value| {
        let mut states = states(run);
        states.sort();
        states
    };
    assert_eq!(sorted(&first), with("succeeded"));
    assert_eq!(sorted(&ranking(&yard)), with("reused"));

    // Another value for one use changes that use, and what takes its outputs if they are others.
    let plan = yard.json(&["plan", "delay_reports.yaml", "-p", "very_late_minutes=61"]);
    let planned: Vec<&str> = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["verdict"] == "run")
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(
        planned,
        ["very_late.shares", "very_late.ranking", "both"],
        "{plan:#}"
    );

    // The pipeline by itself makes the same things: they are taken from there.
    yard.trainyard(&["run", "carrier_ranking.yaml", "-p", "rows=3"])
        .expect(0);
    let alone = yard.json(&["runs", "show"]);
    assert_eq!(
        alone["steps"]["ranking"]["outputs"]["top"]["hash"],
        first["steps"]["late.ranking"]["outputs"]["top"]["hash"]
    );
}

#[test]
fn names_of_the_inside_work_in_logs_select_and_show() {
    let yard = Yard::examples();
    ranking(&yard);
    let shown = yard.trainyard(&["runs", "show"]).expect(0);
    assert!(
        shown.out.contains("2 of 2 steps over; one is called late.NAME"),
        "{shown}"
    );
    assert!(shown.out.contains("  ranking"), "{shown}");
    let log = yard
        .trainyard(&["runs", "logs", "latest", "late.ranking"])
        .expect(0);
    assert_eq!(log.out.lines().count(), 3, "{log}");
    yard.trainyard(&["run", "delay_reports.yaml", "--select", "very_late", "--no-reuse"])
        .expect(0);
    let part = yard.json(&["runs", "show"]);
    let state = |name: &str| part["steps"][name]["state"].as_str().unwrap();
    assert_eq!(
        [
            state("very_late.shares"),
            state("very_late.ranking"),
            state("late.shares")
        ],
        ["succeeded", "succeeded", "skipped"]
    );
}

const BROKEN: &str = r#"
version: 1
name: broken
steps:
  first: {run: "test -f there", description: Fails until the file is there.}
  second: {needs: [first], run: "true"}
"#;

#[test]
fn a_use_that_may_fail_fails_as_a_whole_and_is_retried_where_it_failed() {
    let yard = Yard::with(
        "version: 1\nname: outer\nsteps:\n  part: {uses: pipeline:broken@v1, continue_on_error: true}\n  \
         after: {needs: [part], run: 'true'}\n",
    );
    yard.write("broken.yaml", BROKEN);
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    let run = yard.json(&["runs", "show"]);
    let state = |name: &str| run["steps"][name]["state"].as_str().unwrap();
    assert_eq!(
        [state("part.first"), state("part.second"), state("after")],
        ["failed", "skipped", "succeeded"],
        "{run:#}"
    );
    yard.edit("pipeline.yaml", ", continue_on_error: true", "");
    let failed = yard.trainyard(&["run", "pipeline.yaml"]);
    assert_ne!(failed.code, Some(0), "{failed}");
}

#[test]
fn the_schema_of_libraries_has_kinds_with_typed_params() {
    let schema = Yard::empty().json(&["schema", "library"]);
    assert!(schema["properties"]["kinds"].is_object());
    let kind = &schema["$defs"]["LibraryKind"]["properties"];
    assert!(kind["params"].is_object() && kind["inputs"].is_object() && kind["run"].is_object());
}
