//! The example pipelines, run on their real data.

use crate::yard::Yard;
use serde_json::Value;

fn state<'a>(run: &'a Value, instance: &str) -> &'a str {
    run["steps"][instance]["state"]
        .as_str()
        .unwrap_or_else(|| panic!("no step {instance} in {run}"))
}

#[test]
fn flights_go_from_raw_files_to_a_registered_model_and_then_to_reuse() {
    let yard = Yard::examples();
    yard.trainyard(&["run", "flight_delay.yaml"]).expect(0);
    let first = yard.json(&["runs", "show"]);
    assert_eq!(first["status"], "succeeded");
    assert_eq!(state(&first, "register"), "succeeded");
    assert_eq!(first["steps"]["evaluate"]["outputs"]["passed"], true);
    let models = yard.json(&["models", "list"]);
    assert_eq!(models[0]["name"], "flight_delay");
    assert_eq!(models[0]["versions"][0]["version"], 1);

    // Again: whatever has no effect is taken from the first run.
    yard.trainyard(&["run", "flight_delay.yaml"]).expect(0);
    let second = yard.json(&["runs", "show"]);
    for name in second["steps"].as_object().unwrap().keys() {
        let wanted = match state(&first, name) {
            "skipped" => "skipped",
            _ if name == "register" => "succeeded",
            _ => "reused",
        };
        assert_eq!(state(&second, name), wanted, "{name}");
    }

    // One number changed: the plan names what will run, and the run runs exactly that.
    yard.edit(
        "flight_delay.yaml",
        "must_be_at_least: 0.60}",
        "must_be_at_least: 0.59}",
    );
    let plan = yard.json(&["plan", "flight_delay.yaml"]);
    let planned: Vec<&str> = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["verdict"] == "run")
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(planned, ["evaluate"], "{plan:#}");
    yard.trainyard(&["run", "flight_delay.yaml"]).expect(0);
    let third = yard.json(&["runs", "show"]);
    assert_eq!(state(&third, "evaluate"), "succeeded");
    assert_eq!(state(&third, "tune"), "reused");
    assert_eq!(state(&third, "features"), "reused");
}

#[test]
fn the_accuracy_recipe_reaches_its_bar_with_the_same_bytes_every_time() {
    let yard = Yard::examples();
    yard.trainyard(&["run", "flight_delay_at_departure.yaml"])
        .expect(0);
    let first = yard.json(&["runs", "show"]);
    let auc = first["steps"]["evaluate"]["metrics"]["roc_auc"].as_f64().unwrap();
    assert!(auc >= 0.685, "AUC {auc}");
    yard.trainyard(&["run", "flight_delay_at_departure.yaml", "--no-reuse"])
        .expect(0);
    let second = yard.json(&["runs", "show"]);
    assert_eq!(state(&second, "train"), "succeeded");
    let model = |run: &Value| {
        run["steps"]["train"]["outputs"]["model"]["hash"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(model(&first), model(&second));
}

#[test]
fn income_is_predicted_from_the_census() {
    let yard = Yard::examples();
    yard.trainyard(&["run", "income.yaml"]).expect(0);
    let run = yard.json(&["runs", "show"]);
    assert_eq!(run["status"], "succeeded");
    assert!(run["steps"]["evaluate"]["metrics"]["roc_auc"].as_f64().unwrap() > 0.85);
}

#[test]
fn minutes_quantiles_and_airports_are_learnt_from_flights() {
    let yard = Yard::examples();
    yard.trainyard(&["run", "flight_minutes.yaml"]).expect(0);
    let run = yard.json(&["runs", "show"]);
    assert_eq!(run["status"], "succeeded");
    let metric = |step: &str, name: &str| run["steps"][step]["metrics"][name].as_f64().unwrap();
    assert!(metric("minutes", "r2") > 0.7, "{}", metric("minutes", "r2"));
    assert!(metric("minutes", "rmse") < 19.0, "{}", metric("minutes", "rmse"));
    assert!(metric("search", "rmse") < 18.2, "{}", metric("search", "rmse"));
    // Three airports, about alike.
    assert!(
        metric("airport", "accuracy") > 0.45,
        "{}",
        metric("airport", "accuracy")
    );
}

#[test]
fn shell_and_python_steps_work_beside_each_other() {
    let yard = Yard::examples();
    yard.trainyard(&["run", "carrier_delays.yaml"]).expect(0);
    let run = yard.json(&["runs", "show"]);
    assert_eq!(run["steps"]["shares"]["metrics"]["carriers"], 11.0);
    assert_eq!(state(&run, "alert"), "skipped");
    let log = yard.trainyard(&["runs", "logs", "latest", "shares"]).expect(0);
    assert!(log.out.contains("11 carriers, 26398 flights"), "{log}");
}

#[test]
fn a_new_project_runs_at_once() {
    let yard = Yard::empty();
    yard.trainyard(&["init"]).expect(0);
    yard.trainyard(&["run"]).expect(0);
    assert_eq!(yard.json(&["models", "list"])[0]["name"], "credit_risk");
}

#[test]
fn the_flights_pipeline_passes_its_own_tests() {
    let yard = Yard::examples();
    let answer = yard.trainyard(&["test", "flight_delay.yaml"]).expect(0);
    assert!(answer.err.contains("1 passed, 0 failed"), "{answer}");
    // A test that cannot fail is none.
    yard.edit("tests/features_3rows.csv", "UA,1545,40.0", "UA,1545,41.0");
    let answer = yard.trainyard(&["test", "flight_delay.yaml"]).expect(1);
    assert!(
        answer
            .err
            .contains("column `temp`: 41.0 is expected, 40.0 is there"),
        "{answer}"
    );
}

#[test]
fn what_a_command_makes_is_declared_and_what_a_query_makes_is_derived() {
    let yard = Yard::with(
        "version: 1\nname: p\n\
         datasets:\n  people: {path: people.csv}\n\
         steps:\n  \
           copy:\n    run: cp \"$IN_people\" \"$OUT_copy\"\n    inputs: {people: people}\n    outputs: {copy: {type: file}}\n  \
           old:\n    uses: transform.sql@v1\n    inputs: {people: people}\n    with: {query: \"SELECT name FROM people WHERE age > 60\"}\n    outputs: {table: {type: table}}\n",
    );
    yard.write("people.csv", "name,age\nann,70\nbob,20\n");
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    let edges = |subject: &str| -> Vec<(String, String, bool)> {
        let shown = yard.json(&["lineage", "show", subject, "--direction", "down"]);
        let nodes = shown["down"]["nodes"].as_array().unwrap();
        let name = |at: &Value| {
            let node = nodes[usize::try_from(at.as_u64().unwrap()).unwrap()]["node"]
                .as_str()
                .unwrap();
            node.split_whitespace().next().unwrap().to_owned()
        };
        let edges = shown["down"]["edges"].as_array().unwrap();
        edges
            .iter()
            .map(|edge| {
                (
                    name(&edge["source"]),
                    name(&edge["target"]),
                    edge["derived"].as_bool().unwrap(),
                )
            })
            .collect()
    };
    let made: Vec<(String, bool)> = edges("people")
        .into_iter()
        .filter(|(source, _, _)| source == "step")
        .map(|(_, target, derived)| (target, derived))
        .collect();
    assert_eq!(made.len(), 2, "{:?}", edges("people"));
    let derived = made.iter().filter(|(_, derived)| *derived).count();
    assert_eq!(derived, 1, "{made:?}");
    // A column that only decides on rows leads to the table as a whole.
    let age = edges("people.age");
    assert!(
        age.iter()
            .all(|(_, target, derived)| target == "artifact" && *derived),
        "{age:?}"
    );
    assert_eq!(age.len(), 1, "{age:?}");
}
