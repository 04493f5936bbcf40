//! The checks together: the worked example, levels, ignoring, order.

use crate::pipeline::files::memory::MemoryFiles;
use crate::pipeline::fixture::{checked, findings, project, shown};
use crate::pipeline::spec::CheckLevel;

fn worked_example() -> MemoryFiles {
    let mut files = MemoryFiles::default()
        .with(
            "pipelines/flight_delay.yaml",
            include_str!("worked_example/flight_delay.yaml"),
        )
        .with(
            "contracts/flights.yaml",
            include_str!("worked_example/flights.yaml"),
        )
        .with("lib/steps.yaml", "version: 1\n")
        .with(
            "trainyard.yaml",
            "version: 1\nname: p\npools: {object_store: {slots: 4}}\n",
        );
    for name in ["weather", "flight_features"] {
        let contract = format!("version: 1\nname: {name}\ncolumns: {{carrier: {{type: string}}}}\n");
        files = files.with(&format!("contracts/{name}.yaml"), contract);
    }
    for (name, field) in [("in", "carrier"), ("out", "probability")] {
        let of = if name == "in" { "string" } else { "double" };
        let schema = format!(
            r#"{{"type": "record", "name": "flight_{name}", "fields": [{{"name": "{field}", "type": "{of}"}}]}}"#
        );
        files = files.with(&format!("schemas/flight_{name}.avsc"), schema);
    }
    for (name, transport, schema) in [
        ("flights_rest", "{type: rest}", "in"),
        (
            "scores_kafka",
            "{type: kafka, bootstrap_servers: [\"localhost:9092\"], topic: scores}",
            "out",
        ),
    ] {
        let stream = format!(
            "version: 1\nname: {name}\ntransport: {transport}\nschema: schemas/flight_{schema}.avsc\n"
        );
        files = files.with(&format!("streams/{name}.yaml"), stream);
    }
    for path in [
        "tests/flights_3rows.csv",
        "tests/weather_48h.csv",
        "tests/features_3rows.csv",
    ] {
        files = files.with(path, "");
    }
    files
}

#[test]
fn the_worked_example_is_read_whole() {
    let checked = checked(&worked_example(), &["pipelines/flight_delay.yaml"], None);
    // Both are true of the example: its library is empty here, and only a trigger sets the date.
    assert_eq!(
        shown(&checked),
        [
            "S06/unused-include 9:11 ../lib/steps.yaml",
            "S06/unused-param 12:3 run_date"
        ]
    );
    assert_eq!(checked.pipelines.len(), 1);
}

/// A pipeline of two scripts with room for one fault.
fn with_steps(steps: &str) -> String {
    format!("version: 1\nname: p\nsteps:\n{steps}")
}

/// A pipeline over the flights contract, `keep` and more of `features` as given.
fn with_features(keep: &str, more: &str) -> String {
    format!(
        "\
version: 1
name: p
include: [../contracts/flights.yaml]
params: {{late: {{type: integer, default: 15}}}}
datasets: {{flights: {{path: data/flights.csv, contract: flights}}}}
steps:
  features:
    uses: features.build@v1
    inputs: {{flights: flights}}
    with:
      predict_at: schedule
      keep: {keep}
      label: {{name: is_late, expr: \"arr_delay > params.late\"}}
    outputs: {{table: {{type: table}}}}
{more}"
    )
}

#[test]
fn each_fault_has_its_code_and_exact_place() {
    let script = "  a: {run: 'true'}\n";
    for (text, expected) in [
        (
            with_steps("  a: {run: 'true', tiemout: 3m}\n"),
            "S01/unknown-key 4:20 tiemout",
        ),
        (
            with_steps("  a: {run: 'true', timeout: 3 minutes}\n"),
            "S01/wrong-format 4:29 3 minutes",
        ),
        (
            with_steps("  a: {run: 'true', retry: {max_attempts: three}}\n"),
            "S01/wrong-type 4:42 three",
        ),
        (
            with_steps("  a: {run: 'true', retry: {max_attempts: 0}}\n"),
            "S01/out-of-range 4:42 0",
        ),
        (
            with_steps("  a: {run: 'true', retry: {backoff: exponental}}\n"),
            "S01/not-allowed-value 4:37 exponental",
        ),
        (
            with_steps("  a: {run: 'true', uses: run.shell@v1}\n"),
            "S01/exclusive-keys 4:7 run",
        ),
        (with_steps("  a: {timeout: 3m}\n"), "S01/missing-key 4:3 a"),
        (
            with_steps("  a: {run: 'true', outputs: {x: {path: y}}}\n"),
            "S01/missing-key 4:30 x",
        ),
        (
            with_steps("  Train: {run: 'true'}\n"),
            "S01/invalid-name 4:3 Train",
        ),
        (
            with_steps("  a: {run: 'true'}\n  a: {run: 'false'}\n"),
            "S01/duplicate-key 5:3 a",
        ),
        (
            with_steps("  a: {run: 'true', needs: b}\n"),
            "S01/wrong-type 4:27 b",
        ),
        (
            with_steps("  a: {run: 'true', needs: [bb]}\n"),
            "S02/unknown-step 4:28 bb",
        ),
        (
            with_steps("  a: {uses: split.tiem@v1}\n"),
            "S02/unknown-uses 4:13 split.tiem@v1",
        ),
        (
            with_steps("  a: {uses: split.time@v2, inputs: {}}\n"),
            "S02/unknown-uses 4:13 split.time@v2",
        ),
        (
            with_steps("  a: {uses: split.time@v1}\n"),
            "S02/missing-input 4:3 a",
        ),
        (
            with_steps("  a: {run: 'true', inputs: {x: raw}}\n"),
            "S02/unknown-dataset 4:32 raw",
        ),
        (
            with_steps("  a: {run: 'true', on_failure: [notify.x]}\n"),
            "S02/unknown-notify 4:33 notify.x",
        ),
        (
            with_steps("  a: {run: 'true', env: {X: \"${{ params.y }}\"}}\n"),
            "S02/unknown-param 4:41 y",
        ),
        (
            with_steps("  a: {run: 'true', env: {X: \"${{ param.y }}\"}}\n"),
            "S02/unknown-name 4:34 param",
        ),
        (
            with_steps("  a: {run: 'true', env: {X: \"${{ vars.y }}\"}}\n"),
            "S02/unknown-var 4:39 y",
        ),
        (
            with_steps("  a: {run: 'true', env: {X: \"${{ steps.b.status }}\"}}\n"),
            "S02/unknown-step 4:40 b",
        ),
        (
            with_steps("  a: {run: 'true', env: {X: \"${{ matrix.k }}\"}}\n"),
            "S02/unknown-name 4:41 k",
        ),
        (
            with_steps("  a: {run: 'true', env: {X: \"${{ 1 + }}\"}}\n"),
            "S03/syntax",
        ),
        (
            with_steps("  a: {run: 'true', env: {X: \"${{ 1 + 'a' }}\"}}\n"),
            "S03/type",
        ),
        (
            with_steps("  a: {run: 'true', if: \"${{ 1 + 1 }}\"}\n"),
            "S03/not-boolean 4:24 \"${{ 1 + 1 }}\"",
        ),
        (
            with_steps("  a: {run: 'true', if: params.x}\n"),
            "S03/not-boolean 4:24 params.x",
        ),
        (
            with_steps("  a: {run: \"echo ${{ params.x }}\"}\n"),
            "S03/not-evaluated 4:12 \"echo ${{ params.x }}\"",
        ),
        (with_steps("  a: {run: 'true', needs: [a]}\n"), "S04/cycle 4:28 a"),
        (
            format!("{}description: \"${{{{ params.x }}}}\"\n", with_steps(script)),
            "S03/not-evaluated 5:14 \"${{ params.x }}\"",
        ),
        (
            format!(
                "{}params: {{n: {{type: integer, default: x}}}}\n",
                with_steps(script)
            ),
            "S03/param-value 5:38 x",
        ),
        (
            format!("{}params: {{n: {{type: int, default: 1}}}}\n", with_steps(script)),
            "S01/wrong-format 5:20 int",
        ),
        (
            format!(
                "{}params: {{n: {{type: integer, default: 9, max: 3}}}}\n",
                with_steps(script)
            ),
            "S03/param-value 5:38 9",
        ),
        (
            format!(
                "{}params: {{n: {{type: integer, default: 9}}}}\n",
                with_steps(script)
            ),
            "S06/unused-param 5:10 n",
        ),
        (
            format!(
                "{}datasets: {{d: {{path: data/flighs.csv}}}}\n",
                with_steps(script)
            ),
            "S02/missing-file 5:22 data/flighs.csv",
        ),
        (
            format!(
                "{}datasets: {{d: {{path: data/flights.csv}}}}\n",
                with_steps(script)
            ),
            "S06/unused-dataset 5:12 d",
        ),
        (
            format!(
                "{}datasets: {{d: {{path: data/flights.csv, contract: x}}}}\n",
                with_steps(script)
            ),
            "S02/unknown-contract 5:50 x",
        ),
        (
            format!("{}include: [../contracts/fligths.yaml]\n", with_steps(script)),
            "S02/missing-file 5:11 ../contracts/fligths.yaml",
        ),
        (
            format!("{}include: [../contracts/*.yaml]\n", with_steps(script)),
            "S06/unused-include 5:11 ../contracts/*.yaml",
        ),
        (
            format!(
                "{}triggers: {{t: {{type: schedule, cron: '0 2 30 2 *'}}}}\n",
                with_steps(script)
            ),
            "S05/cron-never-fires 5:38 '0 2 30 2 *'",
        ),
        (
            format!("{}triggers: {{t: {{type: shedule}}}}\n", with_steps(script)),
            "S01/not-allowed-value 5:22 shedule",
        ),
        (
            format!(
                "{}environments: {{prod: {{promote_from: uta}}, uat: {{}}}}\n",
                with_steps(script)
            ),
            "S02/unknown-environment 5:37 uta",
        ),
        (with_features("[carier]", ""), "D01/missing-column 12:14 carier"),
        (
            with_features("[carrier, dep_delay]", ""),
            "M01/known-too-late 12:23 dep_delay",
        ),
        (
            with_features(
                "[carrier]",
                "  split: {uses: split.time@v1, inputs: {table: features.tabel}}\n",
            ),
            "S02/unknown-output 15:57 tabel",
        ),
        (
            with_features(
                "[carrier]",
                "  split: {uses: split.time@v1, inputs: {tabel: features.table}}\n",
            ),
            "S02/unknown-input 15:41 tabel",
        ),
        (
            with_features(
                "[carrier]",
                "  t: {uses: train.classifier@v1, inputs: {train: features.table}, with: {seed: x}}\n",
            ),
            "S01/wrong-type 15:80 x",
        ),
        (
            with_features(
                "[carrier]",
                "  t: {uses: train.classifier@v1, inputs: {train: features.table}, with: {seed: \"${{ 'x' }}\"}}\n",
            ),
            "S03/wrong-result 15:80 \"${{ 'x' }}\"",
        ),
        (
            with_features(
                "[carrier]",
                "  r: {uses: registry.register@v1, inputs: {model: features.table}}\n",
            ),
            "S02/wrong-kind 15:51 features.table",
        ),
        (
            with_features(
                "[carrier]",
                "  t: {uses: train.classifier@v1, inputs: {train: features.table}, matrix: {seed: [1, 2]}, with: {seed: 1}}\n  r: {uses: registry.register@v1, inputs: {model: t.model}}\n",
            ),
            "S02/matrix-not-collected 16:51 t.model",
        ),
        (
            with_features(
                "[carrier]",
                "  s: {uses: split.time@v1, inputs: {table: \"features[*].table\"}}\n",
            ),
            "S02/not-a-matrix 15:44 \"features[*].table\"",
        ),
    ] {
        let found = findings(&text);
        assert!(
            found.iter().any(|found| found.starts_with(expected)),
            "{text}\nwanted {expected}\nfound {found:#?}"
        );
        let family = &expected[..3];
        let strangers = found
            .iter()
            .filter(|found| !found.starts_with(family) && !found.starts_with("S06"))
            .count();
        assert_eq!(strangers, 0, "{text}\n{found:#?}");
    }
}

const TRAIN: &str = "  t: {uses: train.classifier@v1, inputs: {train: features.table}, with: {seed: 1}}\n";

#[test]
fn a_sound_pipeline_has_no_finding() {
    // It takes three of five columns, and what it does not take costs nothing.
    assert!(findings(&with_features("[carrier, distance]", TRAIN)).is_empty());
}

/// The pipeline that ingests all columns before it takes three of them.
fn through_ingest(more: &str) -> String {
    let ingest = "  ingest:\n    uses: ingest.files@v1\n    inputs: {flights: flights}\n    outputs: {flights: {type: table}}\n";
    with_features("[carrier, distance]", &format!("{more}{ingest}")).replace(
        "    inputs: {flights: flights}\n    with",
        "    inputs: {flights: ingest.flights}\n    with",
    )
}

#[test]
fn columns_that_a_step_hands_on_and_nobody_reads_are_told() {
    let checked = checked(&project(&through_ingest(TRAIN)), &["pipelines/p.yaml"], None);
    assert_eq!(shown(&checked), ["D06/unused-columns 5:12 flights"]);
    let found = &checked.diagnostics[0];
    assert_eq!(
        found.message,
        "2 of the 5 columns of `flights` are handed on and never read"
    );
    assert_eq!(found.notes, ["handed on by `ingest`: time_hour, dep_delay"]);

    // Somebody of whom nobody knows what it reads may read all.
    let script = "  s: {run: 'cat $IN_f', inputs: {f: ingest.flights}}\n";
    assert!(findings(&through_ingest(&format!("{TRAIN}{script}"))).is_empty());
    // So may those who use the pipeline.
    let given = through_ingest(TRAIN) + "outputs: {rows: ingest.flights}\n";
    assert!(findings(&given).is_empty());
}

#[test]
fn what_a_table_holds_that_no_step_reads_is_what_the_pipeline_is_for() {
    // Nobody reads the features, so all of them count as read.
    assert!(findings(&with_features("[carrier, distance]", "")).is_empty());
}

#[test]
fn a_param_inside_a_column_expression_is_used_and_has_to_exist() {
    let text = with_features("[carrier]", "").replace("params.late\"", "params.lat\"");
    let found = findings(&text);
    assert_eq!(found, ["S02/unknown-param 13:56 lat"]);
}

#[test]
fn a_cycle_shows_the_whole_way_round() {
    let text = with_steps(
        "  a: {run: 'true', needs: [c]}\n  b: {run: 'true', needs: [a]}\n  c: {run: 'true', env: {X: \"${{ steps.b.status }}\"}}\n",
    );
    let checked = checked(&project(&text), &["pipelines/p.yaml"], None);
    assert_eq!(shown(&checked), ["S04/cycle 4:28 c"]);
    assert_eq!(
        checked.diagnostics[0].message,
        "3 steps wait for each other: a → c → b → a"
    );
    assert_eq!(checked.diagnostics[0].secondary.len(), 2);
    assert!(checked.pipelines.is_empty());
}

#[test]
fn all_faults_of_all_files_are_found_in_one_go() {
    let files = MemoryFiles::default()
        .with(
            "b.yaml",
            with_steps("  a: {run: 'true', needs: [x], tiemout: 1m}\n"),
        )
        .with(
            "a.yaml",
            with_steps("  a: {uses: nothing@v1, env: {X: \"${{ params.y }}\"}}\n")
                .replace("name: p", "name: q"),
        )
        .with("c.yaml", "version: 1\nname: [\n");
    let checked = checked(&files, &["a.yaml", "b.yaml", "c.yaml"], None);
    let codes: Vec<&str> = checked
        .diagnostics
        .iter()
        .map(|found| found.code.as_str())
        .collect();
    assert_eq!(
        codes,
        [
            "S02/unknown-uses",
            "S02/unknown-param",
            "S02/unknown-step",
            "S01/unknown-key",
            "S01/yaml"
        ],
        "{:#?}",
        shown(&checked)
    );
}

#[test]
fn a_finding_is_accepted_with_a_reason_and_only_then() {
    let late = |comment: &str| with_features(&format!("[carrier, dep_delay] {comment}"), "");
    assert_eq!(findings(&late("# check: ignore=M01 an experiment")), [""; 0]);
    let found = findings(&late("# check: ignore=M01"));
    assert_eq!(
        found,
        [
            "M01/known-too-late 12:23 dep_delay",
            "S01/ignore-without-reason 12:34 # check: ignore=M01"
        ]
    );
    let found = findings(&late("# check: ignore=M01 an experiment").replace("dep_delay", "distance"));
    assert!(
        found.contains(&"S01/ignores-nothing 12:33 # check: ignore=M01 an experiment".to_owned()),
        "{found:?}"
    );
    let wrong_name = with_steps("  a: {run: 'true', needs: [x]} # check: ignore=S02 I like it\n");
    assert_eq!(findings(&wrong_name)[0], "S02/unknown-step 4:28 x");
}

#[test]
fn levels_decide_what_stops() {
    let unused = through_ingest("");
    let late = with_features("[carrier, dep_delay]", "");
    let stops = |text: &str, level| {
        let checked = checked(&project(text), &["pipelines/p.yaml"], Some(level));
        (checked.has_errors(), checked.diagnostics.len())
    };
    assert_eq!(stops(&unused, CheckLevel::Baseline), (false, 1));
    assert_eq!(stops(&unused, CheckLevel::Strict), (true, 1));
    assert_eq!(stops(&unused, CheckLevel::Off), (false, 0));
    assert!(stops(&late, CheckLevel::Baseline).0);
    assert_eq!(stops(&late, CheckLevel::Off), (false, 0));
}

#[test]
fn an_output_that_breaks_its_contract_is_found_before_the_run() {
    let contract = "version: 1\nname: table\ncolumns:\n  carrier: {type: int64}\n  distance: {type: int8, nullable: false, unit: km}\n  arr_delay: {type: int16, nullable: false}\n  route: {type: string}\n";
    let text = with_features("[carrier, distance, arr_delay]", "")
        .replace("{type: table}", "{type: table, contract: table}")
        .replace("flights.yaml]", "flights.yaml, ../contracts/table.yaml]");
    let files = project(&text).with("contracts/table.yaml", contract);
    let found = shown(&checked(&files, &["pipelines/p.yaml"], None));
    for code in [
        "D01/missing-column",
        "D01/wrong-column-type",
        "D02/narrowing",
        "D02/nullable",
        "D02/unit",
    ] {
        assert!(
            found.contains(&format!("{code} 14:46 table")),
            "{code} {found:#?}"
        );
    }
}

#[test]
fn the_domain_finds_a_leak_that_the_training_step_did_not_report() {
    // `split` hands on what `features` warned of; the model would still learn it.
    let text = with_features(
        "[carrier, dep_delay]",
        "  t: {uses: train.classifier@v1, inputs: {train: features.table}}\n",
    );
    let found = findings(&text);
    assert!(
        found.contains(&"M01/known-too-late 15:50 features.table".to_owned()),
        "{found:#?}"
    );
}

#[test]
fn a_condition_that_is_false_everywhere_is_found() {
    let text = with_steps(
        "  a: {run: 'true', if: \"${{ environment.name == 'production' }}\", outputs: {x: {type: file}}}\n  b: {run: 'true', inputs: {x: a.x}}\n",
    ) + "environments: {dev: {}, prod: {}}\n";
    assert_eq!(
        findings(&text),
        [
            "S05/never-runs 4:24 \"${{ environment.name == 'production' }}\"",
            "S05/always-skipped 5:32 a.x"
        ]
    );
    assert_eq!(findings(&text.replace("'production'", "'prod'")), [""; 0]);
}

#[test]
fn pipelines_that_start_each_other_are_found_unless_it_is_limited() {
    let one = |name: &str, trigger: &str| {
        with_steps("  make: {run: 'true', outputs: {table: {type: table}}}\n")
            .replace("name: p", &format!("name: {name}"))
            + &format!("triggers: {{t: {trigger}}}\n")
    };
    let files = |b: &str| {
        MemoryFiles::default()
            .with("a.yaml", one("a", "{type: data, datasets: [b.make.table]}"))
            .with("b.yaml", one("b", b))
    };
    let found = |b: &str| shown(&checked(&files(b), &["a.yaml", "b.yaml"], None));
    for unlimited in [
        "{type: data, datasets: [a.make.table]}",
        "{type: pipeline, pipeline: a, outcome: ended}",
    ] {
        assert_eq!(found(unlimited), ["S04/trigger-cycle 5:39 b.make.table"]);
    }
    for limited in [
        "{type: data, datasets: [a.make.table], max_runs: {limit: 1, per: 1d}}",
        "{type: pipeline, pipeline: a, cooldown: 1d}",
    ] {
        assert_eq!(found(limited), [""; 0]);
    }
}

#[test]
fn a_library_step_is_filled_in_and_faults_in_it_point_into_the_library() {
    let library = "version: 1\nsteps:\n  clean: {run: 'true', timeout: 5m, env: {A: '1', B: '2'}}\n";
    let files = |step: &str| {
        project(&format!("{}include: [../lib/steps.yaml]\n", with_steps(step)))
            .with("lib/steps.yaml", library)
    };
    let sound = checked(
        &files("  a: {uses: lib:clean, env: {B: '3'}}\n"),
        &["pipelines/p.yaml"],
        None,
    );
    assert_eq!(shown(&sound), [""; 0]);
    let step = &sound.pipelines[0].spec().steps["a"];
    assert_eq!(step.run.as_deref(), Some("true"));
    assert_eq!(
        (step.env["A"].as_str(), step.env["B"].as_str()),
        (Some("1"), Some("3"))
    );
    let wrong = checked(&files("  a: {uses: lib:claen}\n"), &["pipelines/p.yaml"], None);
    assert_eq!(shown(&wrong), ["S02/unknown-uses 4:13 lib:claen"]);
    let broken = files("  a: {uses: lib:clean}\n").with("lib/steps.yaml", library.replace("5m", "5 m"));
    let broken = checked(&broken, &["pipelines/p.yaml"], None);
    assert_eq!(shown(&broken), ["S01/wrong-format 3:33 5 m"]);
    assert!(broken.pipelines.is_empty());
}

#[test]
fn every_code_that_is_emitted_has_a_page() {
    // Codes are literals in the sources of this module.
    let sources = [
        include_str!("../checks.rs"),
        include_str!("contracts.rs"),
        include_str!("schedules.rs"),
        include_str!("handed.rs"),
        include_str!("references/exports.rs"),
        include_str!("expressions/uses.rs"),
        include_str!("../expand.rs"),
        include_str!("../expand/arguments.rs"),
        include_str!("../expand/connect.rs"),
        include_str!("../expand/find.rs"),
        include_str!("../expand/kind.rs"),
        include_str!("../expand/scope.rs"),
        include_str!("../expand/sub_pipeline.rs"),
        include_str!("cycle.rs"),
        include_str!("expressions.rs"),
        include_str!("files.rs"),
        include_str!("ignores.rs"),
        include_str!("names.rs"),
        include_str!("params.rs"),
        include_str!("reachable.rs"),
        include_str!("references.rs"),
        include_str!("references/hooks.rs"),
        include_str!("references/inputs.rs"),
        include_str!("references/outputs.rs"),
        include_str!("references/signals.rs"),
        include_str!("expressions/types.rs"),
        include_str!("trigger_cycle.rs"),
        include_str!("trigger_sources.rs"),
        include_str!("unused.rs"),
        include_str!("../draft.rs"),
        include_str!("../infer.rs"),
        include_str!("../infer/columns.rs"),
        include_str!("../infer/edges.rs"),
        include_str!("../infer/leak.rs"),
        include_str!("../schema.rs"),
        include_str!("../schema/alternatives.rs"),
        include_str!("../schema/kind.rs"),
        include_str!("../schema/object.rs"),
        include_str!("../reader.rs"),
        include_str!("../reader/tree.rs"),
        include_str!("../reader/syntax.rs"),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for source in sources {
        for (at, _) in source.match_indices('"') {
            let rest = &source[at + 1..];
            let code: String = rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-'))
                .collect();
            let is_code = code.len() > 4
                && code.as_bytes()[3] == b'/'
                && code[1..3].bytes().all(|b| b.is_ascii_digit());
            if is_code && matches!(code.as_bytes()[0], b'S' | b'D' | b'M') {
                seen.insert(code);
            }
        }
    }
    assert!(seen.len() > 40);
    for code in seen {
        assert_eq!(crate::pipeline::rules::named(&code).len(), 1, "{code}");
    }
}

/// Ten thousand steps in layers of a hundred, each taking data from two of the layer before.
fn many_steps(count: usize) -> String {
    let mut text = String::from("version: 1\nname: wide\nparams: {n: {type: integer, default: 1}}\nsteps:\n");
    for step in 0..count {
        let inputs = if step < 100 {
            String::new()
        } else {
            let above = step / 100 * 100 - 100;
            let (one, other) = (above + step % 100, above + (step + 1) % 100);
            format!("    inputs: {{a: s{one}.out, b: s{other}.out}}\n    needs: [s{one}]\n")
        };
        text += &format!(
            "  s{step}:\n    run: echo {step}\n{inputs}    env: {{N: \"${{{{ params.n }}}}\"}}\n    outputs: {{out: {{type: file}}}}\n"
        );
    }
    text
}

#[test]
fn ten_thousand_steps_are_read_checked_and_bound() {
    let text = many_steps(10_000);
    let checked = checked(&project(&text), &["pipelines/p.yaml"], None);
    assert_eq!(shown(&checked), [""; 0]);
    assert_eq!(checked.steps, 10_000);
    let params = std::collections::BTreeMap::new();
    let request = crate::pipeline::BindRequest {
        environment: None,
        params: &params,
        trigger: serde_json::json!({}),
        seed: 1,
    };
    assert_eq!(
        checked.pipelines[0].bind(&request).unwrap().instances.len(),
        10_000
    );
}

#[test]
fn ten_thousand_misspelt_needs_each_have_their_finding_and_those_one_letter_off_a_proposal() {
    let mut text = String::from("version: 1\nname: wide\nsteps:\n");
    for step in 0..10_000 {
        text += &format!(
            "  step_{step:05}:\n    run: echo\n    needs: [stepp_{:05}]\n",
            (step + 1) % 10_000
        );
    }
    let checked = checked(&project(&text), &["pipelines/p.yaml"], None);
    let proposed = checked
        .diagnostics
        .iter()
        .filter(|found| found.code == "S02/unknown-step" && found.fix.is_some());
    assert_eq!(proposed.count(), 10_000);
    let far = text.replace("needs: [stepp_", "needs: [stopps_");
    let checked = super::tests::checked(&project(&far), &["pipelines/p.yaml"], None);
    let found = checked
        .diagnostics
        .iter()
        .filter(|found| found.code == "S02/unknown-step");
    assert_eq!(found.count(), 10_000);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(120))]

    /// Lines taken out, words exchanged: whatever a hurried editor leaves behind is answered with
    /// findings inside the files, never with a panic.
    #[test]
    fn no_damage_to_the_worked_example_makes_the_checks_panic(
        cut in 0usize..180, length in 0usize..4, at in 0usize..9000, put in "[a-z${}\\[\\]:.'\"*& -]{0,6}",
    ) {
        let text = include_str!("worked_example/flight_delay.yaml");
        let mut lines: Vec<&str> = text.lines().collect();
        let cut = cut.min(lines.len());
        lines.drain(cut..(cut + length).min(lines.len()));
        let mut text = lines.join("\n");
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(at, &put);
        let files = worked_example().with("pipelines/flight_delay.yaml", text);
        let checked = checked(&files, &["pipelines/flight_delay.yaml"], None);
        proptest::prop_assert!(checked.has_errors() == checked.pipelines.is_empty());
        for found in &checked.diagnostics {
            let file = checked.sources.file(found.primary.span.file).unwrap();
            proptest::prop_assert!(file.text.get(found.primary.span.start..found.primary.span.end).is_some(), "{found:?}");
            proptest::prop_assert!(!found.message.is_empty());
        }
    }
}
