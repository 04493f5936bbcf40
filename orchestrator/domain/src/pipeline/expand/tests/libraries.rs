//! Kinds that a library declares.

use super::{also, bind, found, instance, sound};
use crate::pipeline::BindRequest;
use crate::pipeline::files::memory::MemoryFiles;
use crate::pipeline::fixture::{checked, project};
use serde_json::json;
use std::collections::BTreeMap;

const LIBRARY: &str = r#"version: 1
kinds:
  late_rows@v1:
    params:
      minutes: {type: integer, default: 15, min: 1, max: 240}
      names: {type: "list[string]"}
      by: {type: string, default: schedule}
    inputs:
      flights: {type: table, contract: flights}
    outputs:
      table: {type: table}
    uses: features.build@v1
    with:
      predict_at: "${{ params.by }}"
      keep: "${{ params.names }}"
      label: {name: is_late, expr: "arr_delay > params.minutes"}
    retry: {max_attempts: 4, delay: 1s}
  count@v1:
    params: {what: {type: string}}
    run: echo "$WHAT"
    env: {WHAT: "what: ${{ params.what }}"}
  count@v2:
    params: {what: {type: string, default: rows}}
    run: echo v2 "$WHAT"
    env: {WHAT: "${{ params.what }}"}
"#;

fn using(steps: &str) -> MemoryFiles {
    let head = "version: 1\nname: p\ninclude: [../contracts/flights.yaml, ../lib/steps.yaml]\n\
        datasets: {flights: {path: data/flights.csv, contract: flights}}\n";
    project(&format!("{head}{steps}")).with("lib/steps.yaml", LIBRARY)
}

const LATE: &str = "  late: {uses: late_rows@v1, inputs: {flights: flights}, with: {names: [carrier]}}\n";

#[test]
fn a_kind_of_a_library_is_run_as_what_it_is_made_of() {
    let pipeline = sound(&using(&format!(
        "params: {{late: {{type: integer, default: 20}}}}\nsteps:\n{}",
        "  late:\n    uses: late_rows@v1\n    inputs: {flights: flights}\n    \
         with: {names: [carrier], minutes: \"${{ params.late }}\"}\n    retry: {delay: 9s}\n"
    )));
    let definition = bind(&pipeline);
    let late = instance(&definition, "late");
    assert_eq!(late.uses, "features.build@v1");
    assert_eq!(
        late.with,
        json!({"predict_at": "schedule", "keep": ["carrier"],
               "label": {"name": "is_late", "expr": "arr_delay > 20"}})
    );
    assert!(late.outputs.contains_key("table"));
    assert_eq!((late.retry.max_attempts, late.retry.delay.0), (4, 9_000));
    // Columns are known through it.
    assert!(pipeline.shape("late", "table").is_some());
}

#[test]
fn versions_stand_side_by_side() {
    let pipeline = sound(&using(&format!(
        "steps:\n{LATE}  one: {{uses: count@v1, with: {{what: lines}}}}\n  two: {{uses: count@v2}}\n"
    )));
    let definition = bind(&pipeline);
    let environment = |name: &str| {
        let process = instance(&definition, name).process.as_ref().unwrap();
        (process.argv[2].clone(), process.env["WHAT"].clone())
    };
    assert_eq!(
        environment("one"),
        ("echo \"$WHAT\"".into(), "what: lines".into())
    );
    assert_eq!(environment("two"), ("echo v2 \"$WHAT\"".into(), "rows".into()));
}

#[test]
fn a_version_or_name_that_there_is_not_gets_the_nearest() {
    let files = using(&format!(
        "steps:\n{LATE}  a: {{uses: count@v3}}\n  b: {{uses: late_row@v1, with: {{names: []}}}}\n"
    ));
    let all = checked(&files, &["pipelines/p.yaml"], None);
    let help: Vec<_> = all
        .diagnostics
        .iter()
        .map(|found| found.help.as_deref().unwrap())
        .collect();
    assert_eq!(
        found(&files),
        [
            "S02/unknown-uses 7:13 count@v3",
            "S02/unknown-uses 8:13 late_row@v1"
        ]
    );
    assert_eq!(help, ["did you mean `count@v2`?", "did you mean `late_rows@v1`?"]);
}

#[test]
fn values_are_of_the_declared_types() {
    for (with, expected) in [
        ("{}", "S01/missing-key 6:47 with"),
        ("{names: [carrier], minuts: 3}", "S02/unknown-param 6:72 minuts"),
        ("{names: [carrier], minutes: 0}", "S03/param-value 6:81 0"),
        ("{names: carrier}", "S03/param-value 6:61 carrier"),
        (
            "{names: [carrier], minutes: \"${{ environment.name }}\"}",
            "S03/type 6:81 \"${{ environment.name }}\"",
        ),
        (
            "{names: [carrier], minutes: \"${{ params.nothing }}\"}",
            "S02/unknown-param 6:93 nothing",
        ),
        (
            "{names: [carrier], minutes: \"${{ 1 + }}\"}",
            "S03/syntax 6:89 }}",
        ),
    ] {
        let step =
            format!("steps:\n  a: {{uses: late_rows@v1, inputs: {{flights: flights}}, with: {with}}}\n");
        let files = using(&step);
        let all = found(&files);
        assert_eq!(all.len(), 1, "{with}: {all:?}");
        assert_eq!(
            all[0].split(' ').next(),
            expected.split(' ').next(),
            "{with}: {all:?}"
        );
    }
}

#[test]
fn a_value_that_is_known_when_the_run_is_made_has_to_be_within_limits() {
    let files = using(&format!(
        "params: {{late: {{type: integer, default: 20}}}}\nsteps:\n{}",
        "  late:\n    uses: late_rows@v1\n    inputs: {flights: flights}\n    \
         with: {names: [carrier], minutes: \"${{ params.late }}\"}\n"
    ));
    let given = BTreeMap::from([("late".to_owned(), "999".to_owned())]);
    let request = BindRequest {
        environment: None,
        params: &given,
        trigger: json!({"type": "manual"}),
        seed: 1,
    };
    let errors = sound(&files).bind(&request).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "`minutes` is an integer: 999 is more than 240"
    );
}

#[test]
fn a_fault_inside_says_where_it_is_and_where_it_is_used() {
    let files = using(
        "steps:\n  late: {uses: late_rows@v1, inputs: {flights: flights}, with: {names: [dep_delay]}}\n",
    );
    // A column that is known too late, named by the using step.
    assert_eq!(found(&files), ["M01/known-too-late 6:73 dep_delay"]);
    let broken = LIBRARY.replace("arr_delay > params.minutes", "arr_dely > params.minutes");
    let files = using(&format!("steps:\n{LATE}")).with("lib/steps.yaml", broken);
    let all = checked(&files, &["pipelines/p.yaml"], None);
    let text = &all.diagnostics;
    assert!(
        text.iter()
            .all(|found| { all.sources.file(found.primary.span.file).unwrap().name == "lib/steps.yaml" })
    );
}

#[test]
fn a_body_sees_its_params_and_nothing_of_the_steps_around_it() {
    let library = LIBRARY.replace(
        "what: ${{ params.what }}",
        "${{ params.wat }} ${{ steps.late.status }}",
    );
    let files = using(&format!(
        "steps:\n{LATE}  one: {{uses: count@v1, with: {{what: lines}}}}\n"
    ))
    .with("lib/steps.yaml", library);
    assert_eq!(
        found(&files),
        ["S02/unknown-param 21:29 wat", "S02/unknown-name 21:46 late"]
    );
}

#[test]
fn inputs_are_those_that_are_declared_and_meet_their_contract() {
    let missing = using("steps:\n  late: {uses: late_rows@v1, with: {names: [carrier]}}\n");
    assert_eq!(found(&missing)[0], "S02/missing-input 6:16 late_rows@v1");
    let weather = "version: 1\nname: weather\ncolumns: {carrier: {type: string, nullable: false}}\n";
    let other = MemoryFiles::default()
        .with("contracts/flights.yaml", crate::pipeline::fixture::FLIGHTS)
        .with("contracts/weather.yaml", weather)
        .with("data/weather.csv", "")
        .with("lib/steps.yaml", LIBRARY)
        .with(
            "pipelines/p.yaml",
            "version: 1\nname: p\ninclude: [../contracts/*.yaml, ../lib/steps.yaml]\n\
             datasets: {weather: {path: data/weather.csv, contract: weather}}\nsteps:\n  \
             late: {uses: late_rows@v1, inputs: {flights: weather}, with: {names: [carrier]}}\n",
        );
    let lacking = found(&other);
    assert!(
        lacking.contains(&"D01/missing-column 6:48 weather".to_owned()),
        "{lacking:?}"
    );
}

#[test]
fn kinds_are_made_of_kinds_but_not_of_themselves() {
    let more = "  twice@v1:\n    params: {n: {type: integer}}\n    uses: count@v1\n    \
                with: {what: \"${{ params.n }} times\"}\n";
    let files = using(&format!(
        "steps:\n{LATE}  a: {{uses: twice@v1, with: {{n: 2}}}}\n"
    ))
    .with("lib/steps.yaml", format!("{LIBRARY}{more}"));
    let definition = bind(&sound(&files));
    let process = instance(&definition, "a").process.as_ref().unwrap();
    assert_eq!(process.env["WHAT"], "what: 2 times");
    let circle = "  a@v1: {uses: b@v1}\n  b@v1: {uses: a@v1}\n";
    let files = using(&format!("steps:\n{LATE}  a: {{uses: a@v1}}\n"))
        .with("lib/steps.yaml", format!("{LIBRARY}{circle}"));
    let all = checked(&files, &["pipelines/p.yaml"], None);
    let cycle = all
        .diagnostics
        .iter()
        .find(|found| found.code == "S04/cycle")
        .unwrap();
    assert_eq!(cycle.notes, ["the way round: a@v1 → b@v1 → a@v1"]);
    assert_eq!(
        also(&all),
        [
            "used here lib/steps.yaml 26:16",
            "used here pipelines/p.yaml 7:13"
        ]
    );
}

#[test]
fn libraries_include_libraries_but_not_themselves() {
    let files = using(&format!(
        "steps:\n{LATE}  a: {{uses: twice@v1, with: {{n: 2}}}}\n"
    ))
    .with(
        "lib/more.yaml",
        "version: 1\ninclude: [steps.yaml]\nkinds:\n  twice@v1:\n    params: {n: {type: integer}}\n    \
             uses: count@v1\n    with: {what: \"${{ params.n }}\"}\n",
    )
    .with(
        "lib/steps.yaml",
        LIBRARY.replacen("version: 1\n", "version: 1\ninclude: [more.yaml]\n", 1),
    );
    let all = checked(&files, &["pipelines/p.yaml"], None);
    assert!(
        all.diagnostics.iter().any(|found| found.code == "S04/cycle"),
        "{:?}",
        all.diagnostics
    );
}

#[test]
fn a_library_of_which_nothing_is_used_is_found() {
    let files = using("steps: {late: {uses: explore.profile@v1, inputs: {data: flights}}}\n");
    assert_eq!(found(&files), ["S06/unused-include 3:38 ../lib/steps.yaml"]);
}

#[test]
fn what_a_kind_does_is_its_own_affair() {
    let files = using(&format!(
        "steps:\n{LATE}  a: {{uses: count@v2, env: {{WHAT: x}}}}\n"
    ));
    assert_eq!(found(&files), ["S01/exclusive-keys 7:23 env"]);
}

#[test]
fn only_a_change_of_what_is_used_changes_the_definition_of_a_step() {
    let of = |library: &str| {
        let files = using(&format!("steps:\n{LATE}")).with("lib/steps.yaml", library);
        let pipeline = sound(&files);
        (pipeline.hash(), bind(&pipeline).instances)
    };
    let (hash, instances) = of(LIBRARY);
    let (other_hash, same) = of(&LIBRARY.replace("echo v2", "echo v3"));
    assert_ne!(hash, other_hash);
    assert_eq!(instances, same);
    let (_, other) = of(&LIBRARY.replace("default: 15", "default: 16"));
    assert_ne!(instances, other);
}
