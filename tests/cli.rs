//! What people type and read.

use crate::yard::Yard;

#[test]
fn nothing_has_run_yet_is_said_in_words() {
    let yard = Yard::empty();
    let answer = yard.trainyard(&["runs", "list"]).expect(2);
    assert!(answer.err.contains("nothing has run yet"), "{answer}");
}

#[test]
fn init_never_overwrites() {
    let yard = Yard::empty();
    yard.trainyard(&["init"]).expect(0);
    let before = yard.read("trainyard.yaml");
    let answer = yard.trainyard(&["init"]).expect(2);
    assert!(answer.err.contains("is there already"), "{answer}");
    assert_eq!(yard.read("trainyard.yaml"), before);
}

#[test]
fn a_feature_that_is_known_too_late_is_refused_at_its_word() {
    let yard = Yard::examples();
    let text = yard.read("flight_delay.yaml");
    let changed = text.replacen("keep: [", "keep: [dep_delay, ", 1);
    yard.write("flight_delay.yaml", &changed);
    let line = changed
        .lines()
        .position(|line| line.contains("keep: [dep_delay"))
        .unwrap();
    let column = changed.lines().nth(line).unwrap().find("dep_delay").unwrap() + 1;
    let answer = yard.trainyard(&["check", "flight_delay.yaml"]).expect(1);
    assert!(answer.err.contains("error[M01"), "{answer}");
    assert!(
        answer
            .err
            .contains(&format!("flight_delay.yaml:{}:{column}", line + 1)),
        "{answer}"
    );
    assert!(answer.err.contains("departure"), "{answer}");
}

#[test]
fn unknown_codes_are_refused() {
    let yard = Yard::empty();
    yard.trainyard(&["explain", "M01"]).expect(0);
    yard.trainyard(&["explain", "M0l"]).expect(2);
}

#[test]
fn completions_exist_for_the_usual_shells() {
    let yard = Yard::empty();
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            yard.trainyard(&["completions", shell])
                .expect(0)
                .out
                .contains("trainyard")
        );
    }
}

const GATED: &str = r#"
version: 1
name: gated
steps:
  a: {uses: debug.noop@v1, cache: false}
  ok: {uses: gate.approval@v1, needs: [a], with: {roles: [risk], not_author: true}}
  b: {run: 'echo deployed', needs: [ok]}
"#;

#[test]
fn a_run_waits_for_somebody_else_in_the_right_role() {
    let yard = Yard::with(GATED);
    yard.trainyard(&["run", "pipeline.yaml", "--no-wait"]).expect(0);
    assert_eq!(yard.json(&["approvals", "list"])[0]["step"], "ok");
    let author = yard
        .trainyard(&["approvals", "approve", "latest", "ok", "--role", "risk"])
        .expect(2);
    assert!(author.err.contains("author"), "{author}");
    let other = |args: &[&str]| {
        yard.command(args)
            .env("TRAINYARD_USER", "bob")
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(other(&["approvals", "approve", "latest", "ok"]), Some(2));
    assert_eq!(
        other(&["approvals", "approve", "latest", "ok", "--role", "risk"]),
        Some(0)
    );
    yard.trainyard(&["runs", "resume"]).expect(0);
    assert_eq!(yard.json(&["runs", "show"])["steps"]["b"]["state"], "succeeded");
}

#[test]
fn a_rejection_blocks_what_needs_the_gate() {
    let yard = Yard::with(GATED);
    yard.trainyard(&["run", "pipeline.yaml", "--no-wait"]).expect(0);
    let answer = yard
        .command(&[
            "approvals",
            "reject",
            "latest",
            "ok",
            "--role",
            "risk",
            "-m",
            "not yet",
        ])
        .env("TRAINYARD_USER", "bob")
        .output()
        .unwrap();
    assert!(answer.status.success());
    yard.trainyard(&["runs", "resume"]).expect(1);
    let run = yard.json(&["runs", "show"]);
    assert_eq!(run["status"], "failed");
    assert_eq!(run["steps"]["b"]["state"], "skipped");
}

#[test]
fn two_runs_are_compared_by_what_they_were_given_and_what_they_made() {
    let yard = Yard::with(
        "version: 1\nname: diff\nparams: {n: {type: integer, default: 1}}\nsteps:\n  a: {run: 'echo $N > \"$OUT_f\"', env: {N: \"${{ params.n }}\"}, outputs: {f: {type: file}}}\n  b: {run: 'cat \"$IN_f\"', inputs: {f: a.f}}\n",
    );
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    let first = yard.json(&["runs", "show"])["run"].as_str().unwrap().to_owned();
    yard.trainyard(&["run", "pipeline.yaml", "-p", "n=2"]).expect(0);
    let diff = yard.json(&["runs", "diff", &first, "latest"]);
    let paths: Vec<&str> = diff["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["path"].as_str().unwrap())
        .collect();
    assert!(paths.contains(&"params.n"), "{diff}");
    assert!(paths.contains(&"steps.a.outputs.f.hash"), "{diff}");
}

#[test]
fn wrong_params_and_environments_are_refused_before_the_run() {
    let yard = Yard::examples();
    for args in [
        ["run", "flight_delay.yaml", "-p", "late_minutes=zero"],
        ["run", "flight_delay.yaml", "-p", "late_minutes=999"],
        ["run", "flight_delay.yaml", "-p", "lateminutes=10"],
        ["run", "flight_delay.yaml", "--env", "staging"],
    ] {
        let answer = yard.trainyard(&args);
        assert!(matches!(answer.code, Some(1 | 2)), "{args:?}: {answer}");
        assert!(answer.err.contains("error"), "{args:?}: {answer}");
        assert!(!yard.home().join("state.db").exists(), "{args:?}");
    }
}

/// The reference in `docs` is the one the binary prints; UPDATE_REFERENCE=1 writes it.
#[test]
fn the_reference_of_steps_in_the_docs_is_that_of_the_binary() {
    let yard = Yard::empty();
    let printed = yard
        .trainyard(&["steps", "list", "--format", "markdown"])
        .expect(0)
        .out;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/steps.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &printed).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept
        .lines()
        .zip(printed.lines())
        .find(|(kept, printed)| kept != printed);
    assert!(
        kept == printed,
        "run this test with UPDATE_REFERENCE=1; first difference: {differs:?}"
    );
}

#[test]
fn every_parameter_of_every_step_has_a_meaning() {
    let yard = Yard::empty();
    let steps = yard.json(&["steps", "list"]);
    for step in steps.as_array().unwrap() {
        for parameter in step["parameters"].as_array().unwrap() {
            let meaning = parameter["meaning"].as_str().unwrap();
            assert!(!meaning.is_empty(), "{} {}", step["uses"], parameter["path"]);
        }
    }
}

#[test]
fn a_step_is_shown_by_its_name_with_or_without_version_and_by_parameter() {
    let yard = Yard::empty();
    let shown = yard
        .trainyard(&["steps", "show", "train.classifier", "n_rounds"])
        .expect(0);
    assert!(
        shown
            .out
            .contains("integer, 1 to 100,000, in rounds, default 200"),
        "{shown}"
    );
    assert!(!shown.out.contains("n_trees"), "{shown}");
    let near = yard.trainyard(&["steps", "show", "train.clasifier@v1"]).expect(2);
    assert!(near.err.contains("did you mean `train.classifier@v1`?"), "{near}");
}

#[test]
fn a_parameter_by_the_name_of_another_library_is_found_with_the_one_that_was_meant() {
    let yard = Yard::examples();
    yard.edit("flight_minutes.yaml", "min_leaf: 5\n", "min_samples_leaf: 5\n");
    let answer = yard.trainyard(&["check", "flight_minutes.yaml"]).expect(1);
    assert!(answer.err.contains("did you mean `min_leaf`?"), "{answer}");
    yard.edit(
        "flight_minutes.yaml",
        "min_samples_leaf: 5\n",
        "learning_rate: 0.1\n",
    );
    let answer = yard.trainyard(&["check", "flight_minutes.yaml"]).expect(1);
    assert!(
        answer
            .err
            .contains("`learning_rate` belongs to `gradient_boosting`"),
        "{answer}"
    );
}

/// Two scripts, one after the other; the second says `late`.
const TWO_SCRIPTS: &str = "\
version: 1
name: shares
params: {late: {type: integer, default: 15}}
environments: {dev: {vars: {place: here}}}
datasets: {flights: {path: flights.csv}}
steps:
  count:
    run: wc -l < \"$IN_flights\" > \"$OUT_rows\"
    inputs: {flights: flights}
    outputs: {rows: {type: file}}
  say:
    run: echo \"$LATE $PLACE\" > \"$OUT_said\"
    needs: [count]
    env: {LATE: \"${{ params.late }}\", PLACE: \"${{ vars.place }}\"}
    outputs: {said: {type: file}}
";

fn saved_plan(yard: &Yard, more: &[&str]) -> String {
    let mut args = vec!["plan", "pipeline.yaml", "--save"];
    args.extend(more);
    yard.json(&args)["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_saved_plan_runs_exactly_as_it_was_made() {
    let yard = Yard::with(TWO_SCRIPTS);
    yard.write("flights.csv", "a\n1\n");
    let plan = saved_plan(&yard, &["-p", "late=20"]);
    yard.trainyard(&["apply", &plan[..12]]).expect(0);
    let run = yard.json(&["runs", "show"]);
    assert_eq!(run["status"], "succeeded");
    assert_eq!(run["params"]["late"], 20, "{run:#}");
    // A run has been made since, so the plan is another one.
    let again = yard.trainyard(&["apply", &plan]).expect(1);
    assert!(again.err.contains("has been started since"), "{again}");
    assert!(
        again.err.contains("`count` was run and would now be reused"),
        "{again}"
    );
    // What is reused is part of a plan as well.
    let plan = saved_plan(&yard, &["-p", "late=20"]);
    let applied = yard.trainyard(&["apply", &plan]).expect(0);
    assert!(applied.err.contains("0 ran, 2 reused"), "{applied}");
}

#[test]
fn a_plan_is_refused_with_the_reason_when_something_moved() {
    for (what, reason) in [
        ("spec", "the spec has changed: steps.say.run"),
        ("data", "`flights` has other content"),
        ("vars", "the environment's `vars.place` has another value"),
    ] {
        let yard = Yard::with(TWO_SCRIPTS);
        yard.write("flights.csv", "a\n1\n");
        let plan = saved_plan(&yard, &[]);
        match what {
            "spec" => yard.edit("pipeline.yaml", "run: echo", "run: printf"),
            "data" => yard.write("flights.csv", "a\n1\n2\n"),
            _ => yard.edit("pipeline.yaml", "place: here", "place: there"),
        }
        let refused = yard.trainyard(&["apply", &plan]).expect(1);
        assert!(refused.err.contains(reason), "{what}: {refused}");
        assert_eq!(
            yard.json(&["runs", "list"]).as_array().map(Vec::len),
            Some(0),
            "{what}"
        );
    }
    let yard = Yard::with(TWO_SCRIPTS);
    for unknown in ["0123456789ab", "latest", ""] {
        yard.trainyard(&["apply", unknown]).expect(2);
    }
}

/// One script, and a way from dev over uat to prod.
const PROMOTED: &str = "\
version: 1
name: scores
owner: team-scores
environments:
  dev: {vars: {place: dev}}
  uat: {vars: {place: uat}, promote_from: dev}
  prod:
    vars: {place: prod}
    promote_from: uat
    read_only: true
    required_approvals: {roles: [model_risk], min: 1, not_author: true}
steps:
  say:
    run: echo \"$PLACE\" > \"$OUT_said\"
    env: {PLACE: \"${{ vars.place }}\"}
    outputs: {said: {type: file}}
";

#[test]
fn a_version_goes_its_way_from_environment_to_environment() {
    let yard = Yard::with(PROMOTED);
    let early = yard
        .trainyard(&["run", "pipeline.yaml", "--env", "uat"])
        .expect(1);
    let reason = "`uat` takes only what has succeeded in `dev`, and this version has not";
    assert!(early.err.contains(reason), "{early}");
    yard.trainyard(&["run", "pipeline.yaml", "--env", "dev"])
        .expect(0);
    yard.trainyard(&["run", "pipeline.yaml", "--env", "uat"])
        .expect(0);
    // Another version starts at the beginning.
    yard.edit("pipeline.yaml", "run: echo", "run: printf");
    yard.trainyard(&["run", "pipeline.yaml", "--env", "uat"])
        .expect(1);
}

#[test]
fn production_takes_saved_plans_that_somebody_has_agreed_to() {
    let yard = Yard::with(PROMOTED);
    yard.trainyard(&["run", "pipeline.yaml", "--env", "dev"])
        .expect(0);
    yard.trainyard(&["run", "pipeline.yaml", "--env", "uat"])
        .expect(0);
    let by_hand = yard
        .trainyard(&["run", "pipeline.yaml", "--env", "prod"])
        .expect(1);
    assert!(by_hand.err.contains("`prod` is read-only"), "{by_hand}");
    let looked_at = yard.json(&["plan", "pipeline.yaml", "--env", "prod"]);
    let note = looked_at["checks"]["notes"][0].as_str().unwrap();
    assert!(note.contains("`prod` is read-only"), "{note}");
    let plan = yard.json(&["plan", "pipeline.yaml", "--env", "prod", "--save"]);
    let verdicts: Vec<(&str, &str)> = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["step"].as_str().unwrap(), step["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(verdicts, [("say", "maybe"), ("promotion", "maybe")], "{plan:#}");
    // It is the way that the note would tell.
    assert!(!plan.to_string().contains("read-only"), "{plan:#}");
    let id = plan["id"].as_str().unwrap();
    yard.trainyard(&["apply", id, "--no-wait"]).expect(0);
    let run = yard.json(&["runs", "show"]);
    assert_eq!(run["steps"]["promotion"]["state"], "awaiting approval", "{run:#}");
    let name = run["run"].as_str().unwrap();
    let author = yard.trainyard(&["approvals", "approve", name, "promotion", "--role", "model_risk"]);
    assert_ne!(author.code, Some(0), "{author}");
    let mut other = yard.command(&["approvals", "approve", name, "promotion", "--role", "model_risk"]);
    let answer = other.env("TRAINYARD_USER", "risk").output().unwrap();
    assert!(answer.status.success(), "{answer:?}");
    yard.trainyard(&["runs", "resume", name]).expect(0);
    assert_eq!(yard.json(&["runs", "show"])["status"], "succeeded");
    // Agreed once, this version runs there again without being asked.
    let again = yard.json(&["plan", "pipeline.yaml", "--env", "prod", "--save"]);
    assert_eq!(again["steps"].as_array().map(Vec::len), Some(1), "{again:#}");
    yard.trainyard(&["apply", again["id"].as_str().unwrap()])
        .expect(0);
}

#[test]
fn a_run_beyond_its_budget_is_stopped_or_waits_for_agreement() {
    let yard = Yard::with(TWO_SCRIPTS);
    yard.write("flights.csv", "a\n1\n");
    let prices = "version: 1\nname: test\nprices: {currency: USD, cpu_hour: 1000000000}\n";
    yard.write("trainyard.yaml", prices);
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    // What will run costs what it cost before.
    let budget = "name: shares\nbudget: {per_run: 0.01, currency: USD, on_exceed: stop}\n";
    yard.edit("pipeline.yaml", "name: shares\n", budget);
    yard.write("flights.csv", "a\n1\n2\n");
    let plan = yard.trainyard(&["plan", "pipeline.yaml"]).expect(0);
    assert!(
        plan.out.contains("USD") && plan.out.contains("of 0.01 per run"),
        "{plan}"
    );
    let stopped = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert!(stopped.err.contains("error[C01/over-budget]"), "{stopped}");
    // Nothing to do costs nothing.
    yard.write("flights.csv", "a\n1\n");
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    yard.write("flights.csv", "a\n1\n2\n");
    yard.edit("pipeline.yaml", "on_exceed: stop", "on_exceed: require_approval");
    yard.trainyard(&["run", "pipeline.yaml", "--no-wait"]).expect(0);
    let run = yard.json(&["runs", "show"]);
    assert_eq!(run["steps"]["budget"]["state"], "awaiting approval", "{run:#}");
    yard.trainyard(&["approvals", "approve", "latest", "budget"])
        .expect(0);
    yard.trainyard(&["runs", "resume", "latest"]).expect(0);
    assert_eq!(yard.json(&["runs", "show"])["status"], "succeeded");
}

#[test]
fn a_month_that_is_spent_stops_a_run_asks_for_agreement_or_is_told() {
    let yard = Yard::with(TWO_SCRIPTS);
    yard.write("flights.csv", "a\n1\n");
    let prices = "version: 1\nname: test\nprices: {currency: USD, cpu_hour: 1000000000}\n";
    yard.write("trainyard.yaml", prices);
    let budget = "name: shares\nbudget: {per_month: 0.01, currency: USD, on_exceed: stop}\n";
    yard.edit("pipeline.yaml", "name: shares\n", budget);
    // Nothing is spent, and nobody knows what it will cost.
    let first = yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    assert!(!first.err.contains("budget"), "{first}");
    yard.write("flights.csv", "a\n1\n2\n");
    let plan = yard.trainyard(&["plan", "pipeline.yaml"]).expect(0);
    assert!(
        plan.out.contains("; month ") && plan.out.contains(" of 0.01"),
        "{plan}"
    );
    let stopped = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert!(stopped.err.contains("error[C01/over-budget]"), "{stopped}");
    yard.edit("pipeline.yaml", "on_exceed: stop", "on_exceed: notify");
    let told = yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    assert!(told.err.contains("warning[C01/over-budget]"), "{told}");
    let shown = yard.trainyard(&["runs", "show", "latest"]).expect(0);
    assert!(shown.out.contains("the run is beyond its budget"), "{shown}");
    yard.edit(
        "pipeline.yaml",
        "on_exceed: notify",
        "on_exceed: require_approval",
    );
    yard.write("flights.csv", "a\n1\n2\n3\n");
    yard.trainyard(&["run", "pipeline.yaml", "--no-wait"]).expect(0);
    let run = yard.json(&["runs", "show"]);
    assert_eq!(run["steps"]["budget"]["state"], "awaiting approval", "{run:#}");
}

#[test]
fn a_run_out_of_time_is_ended_has_failed_and_says_why() {
    let yard = Yard::with(
        "version: 1\nname: slow\ntimeout: 500ms\nsla: {max_duration: 1ms}\nsteps:\n  work:\n    run: sleep 600\n  \
         after:\n    needs: [work]\n    run: echo never\nfinally:\n  - run: echo cleaned\n",
    );
    let ran = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert!(ran.err.contains("late by `sla.max_duration`"), "{ran}");
    assert!(ran.err.contains("it has reached its timeout of 500ms"), "{ran}");
    let run = yard.json(&["runs", "show"]);
    assert_eq!(run["status"], "failed", "{run:#}");
    assert_eq!(run["steps"]["work"]["state"], "cancelled", "{run:#}");
    assert_eq!(run["late"][0]["limit"], "max_duration", "{run:#}");
    assert!(run["timed_out_at"].is_i64(), "{run:#}");
}

#[test]
fn the_bounded_pipeline_in_the_docs_runs_in_time() {
    let yard = Yard::with(&crate::items::documented(3));
    let ran = yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    assert!(!ran.err.contains("Not obeyed"), "{ran}");
    let run = yard.json(&["runs", "show"]);
    assert_eq!(run["late"], serde_json::json!([]), "{run:#}");
}
