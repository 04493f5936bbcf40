//! What differs: from the run before, for other pipelines, between two environments, and from what earlier
//! runs have kept to.

use crate::yard::Yard;

const SCORES: &str = "\
version: 1
name: scores
columns:
  flight: {type: int16, nullable: false}
  score: {type: float64, nullable: false}
";

/// Two pipelines that read the same scores by one contract.
fn yard() -> Yard {
    let yard = Yard::empty();
    yard.write("trainyard.yaml", "version: 1\nname: test\n");
    yard.write("contracts/scores.yaml", SCORES);
    yard.write("data/scores.csv", "flight,score\n1,0.5\n2,0.25\n");
    for name in ["count", "report"] {
        yard.write(
            &format!("pipelines/{name}.yaml"),
            &format!(
                "\
version: 1
name: {name}
include: [../contracts/scores.yaml]
environments: {{uat: {{}}, prod: {{}}}}
datasets: {{scores: {{path: data/scores.csv, contract: scores}}}}
steps:
  count:
    run: wc -l < \"$IN_scores\" > \"$OUT_lines\"
    inputs: {{scores: scores}}
    outputs: {{lines: {{type: file}}}}
    timeout: 1m
  say: {{run: cat \"$IN_lines\", inputs: {{lines: count.lines}}}}
"
            ),
        );
    }
    yard
}

const RUN: [&str; 4] = ["run", "pipelines/count.yaml", "--env", "uat"];
const PLAN: [&str; 4] = ["plan", "pipelines/count.yaml", "--env", "uat"];

#[test]
fn a_plan_says_of_each_change_what_it_means_and_whom_it_breaks() {
    let yard = yard();
    yard.trainyard(&RUN).expect(0);
    yard.edit("pipelines/count.yaml", "timeout: 1m", "timeout: 2m");
    yard.edit("pipelines/count.yaml", "wc -l <", "wc -c <");
    yard.edit("contracts/scores.yaml", "float64", "string");
    let plan = yard.json(&PLAN);
    let shown: Vec<String> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            let word = |key: &str| change[key].as_str().unwrap().to_owned();
            assert!(!word("why").is_empty());
            format!("{} {}", word("class"), word("path"))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "breaking contracts.scores.columns.score.type",
            "breaking steps.count.run",
            "no_rerun steps.count.timeout",
        ]
    );
    let outside = &plan["outside"][0];
    assert_eq!(outside["what"], "contract scores");
    assert_eq!(outside["readers"], serde_json::json!(["report"]));
    assert_eq!(outside["breaks"], true);
    let human = yard.trainyard(&PLAN).expect(0).out;
    let effect = "Effects  contract scores: `score` float64 -> string; read by pipeline report  (breaks)";
    assert!(human.contains(effect), "{human}");
    assert!(
        human.contains("no re-run     says only how long it may take"),
        "{human}"
    );
}

#[test]
fn what_is_deployed_is_told_where_the_last_run_has_failed() {
    let yard = yard();
    yard.trainyard(&RUN).expect(0);
    yard.edit("pipelines/count.yaml", "wc -l <", "false <");
    yard.trainyard(&RUN).expect(1);
    yard.edit("pipelines/count.yaml", "false <", "wc -c <");
    let plan = yard.json(&PLAN);
    let path = |of: &serde_json::Value| (of["before"].clone(), of["now"].clone());
    let (before, now) = path(&plan["changes"][0]);
    assert!(before.as_str().unwrap().starts_with("false"), "{plan}");
    let (deployed, same) = path(&plan["deployed"]["changes"][0]);
    assert!(deployed.as_str().unwrap().starts_with("wc -l"), "{plan}");
    assert_eq!(now, same);
}

#[test]
fn two_environments_differ_until_both_have_the_same() {
    let yard = yard();
    let diff = |args: &[&str]| {
        let mut all = vec![
            "diff",
            "uat",
            "prod",
            "pipelines/count.yaml",
            "--detailed-exitcode",
        ];
        all.extend(args);
        yard.trainyard(&all)
    };
    diff(&[]).expect(0);
    yard.trainyard(&RUN).expect(0);
    let first = diff(&[]).expect(2).out;
    assert!(first.contains("nothing has succeeded in prod"), "{first}");
    yard.edit("pipelines/count.yaml", "wc -l <", "wc -c <");
    yard.trainyard(&["run", "pipelines/count.yaml", "--env", "prod"])
        .expect(0);
    let second = diff(&["--format", "json"]).expect(2).out;
    let second: serde_json::Value = serde_json::from_str(&second).unwrap();
    let pipeline = &second["pipelines"][0];
    assert_eq!(pipeline["steps"], serde_json::json!(["count"]));
    // What prod has is before, what uat has is now.
    assert!(
        pipeline["changes"][0]["before"]
            .as_str()
            .unwrap()
            .starts_with("wc -c"),
        "{second}"
    );
    let markdown = diff(&["--format", "markdown"]).expect(2).out;
    assert!(
        markdown.starts_with("### What `uat` has and `prod` has not"),
        "{markdown}"
    );
    yard.trainyard(&RUN).expect(0);
    let last = diff(&[]).expect(0).out;
    assert!(last.contains("1 pipeline: 0 differ, 1 alike."), "{last}");
}

#[test]
fn an_environment_that_is_not_there_is_an_error_and_no_difference() {
    let answer = yard()
        .trainyard(&["diff", "uat", "prd", "--detailed-exitcode"])
        .expect(1);
    assert!(answer.err.contains("did you mean `prod`?"), "{}", answer.err);
    let answer = yard()
        .trainyard(&["plan", "nothing.yaml", "--detailed-exitcode"])
        .expect(1);
    assert!(answer.err.contains("there is no file"), "{}", answer.err);
}

#[test]
fn an_sla_is_held_against_runs_that_were() {
    let yard = yard();
    yard.edit(
        "pipelines/count.yaml",
        "datasets:",
        "sla: {max_duration: 1ms}\ndatasets:",
    );
    // A run that only reuses takes no time.
    yard.edit(
        "pipelines/count.yaml",
        "timeout: 1m",
        "timeout: 1m\n    cache: false",
    );
    let check = ["check", "pipelines/count.yaml"];
    assert!(
        !yard
            .trainyard(&check)
            .expect(0)
            .err
            .contains("S07/sla-below-past")
    );
    for _ in 0..3 {
        yard.trainyard(&RUN).expect(0);
    }
    let found = yard.trainyard(&check).expect(0).err;
    assert!(
        found.contains("warning[S07/sla-below-past]: the SLA allows"),
        "{found}"
    );
}
