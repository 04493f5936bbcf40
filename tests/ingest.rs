//! Ingests from run to run: what is remembered, what is read again, and how one comes back.

use crate::yard::Yard;

const PIPELINE: &str = "version: 1
name: orders
owner: me
datasets: {orders: {path: 'in/*.csv'}}
steps:
  ingest:
    uses: ingest.files@v1
    inputs: {orders: orders}
    with: {mode: incremental, watermark: at}
    outputs: {orders: {type: table}}
";

fn rows(from: u32, to: u32) -> String {
    let rows = (from..=to).map(|id| format!("{id},2020-01-01T{id:02}:00:00Z\n"));
    std::iter::once("id,at\n".to_owned()).chain(rows).collect()
}

/// Runs the pipeline; what it says on standard error, and the run's id.
fn run(yard: &Yard, file: &str) -> (String, String) {
    let answer = yard.trainyard(&["run", file]).expect(0);
    let runs = yard.json(&["runs", "list"]);
    let newest = runs[0]["run"].as_str().unwrap().to_owned();
    (format!("{}{}", answer.out, answer.err), newest)
}

#[test]
fn a_run_goes_on_where_the_last_one_stopped_and_an_earlier_table_can_be_had_again() {
    let yard = Yard::with(PIPELINE);
    yard.write("in/1.csv", &rows(1, 3));
    let (first, id) = run(&yard, "pipeline.yaml");
    assert!(first.contains("orders: 3 rows"), "{first}");
    yard.write("in/2.csv", &rows(4, 5));
    let (second, _) = run(&yard, "pipeline.yaml");
    assert!(second.contains("orders: 5 rows"), "{second}");
    let log = yard.trainyard(&["runs", "logs"]).expect(0);
    assert!(
        log.out.contains("1 files are as they were and were not read"),
        "{log}"
    );
    let (third, _) = run(&yard, "pipeline.yaml");
    assert!(third.contains("orders: 5 rows"), "{third}");
    let back = PIPELINE.replace(
        "{mode: incremental, watermark: at}",
        &format!("{{mode: snapshot, as_of: {id}}}"),
    );
    yard.write("pipeline.yaml", &back);
    let (then, _) = run(&yard, "pipeline.yaml");
    assert!(then.contains("orders: 3 rows of snapshot"), "{then}");
    yard.write("pipeline.yaml", &back.replace(&id, "1999-01-01"));
    let none = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert!(none.err.contains("had no snapshot as of 1999-01-01"), "{none}");
    yard.write("pipeline.yaml", &back.replace(&id, "yesterday"));
    let wrong = yard.trainyard(&["check", "pipeline.yaml"]).expect(1);
    assert!(wrong.err.contains("`yesterday` is neither a date"), "{wrong}");
}

#[test]
fn a_wrong_option_of_a_dataset_is_found_at_its_place() {
    let yard = Yard::with(&PIPELINE.replace(
        "{path: 'in/*.csv'}",
        "{path: 'in/*.csv', options: {delimeter: ';'}}",
    ));
    yard.write("in/1.csv", &rows(1, 3));
    let answer = yard.trainyard(&["check", "pipeline.yaml"]).expect(1);
    assert!(answer.err.contains("pipeline.yaml:4:"), "{answer}");
    assert!(answer.err.contains("delimiter"), "{answer}");
}

#[test]
fn a_databases_url_comes_from_a_secret_and_never_reaches_what_is_written() {
    let yard = Yard::with(
        "version: 1
name: sales
owner: me
steps:
  sales:
    uses: ingest.sql@v1
    with: {query: SELECT 1 AS one}
    outputs: {table: {type: table}}
    secrets: {DATABASE_URL: warehouse}
",
    );
    let url = "postgres://me:hunter2hunter2@127.0.0.1:1/none?connect_timeout=1";
    let mut command = yard.command(&["run", "pipeline.yaml"]);
    let answer: crate::yard::Answer = command
        .env("TRAINYARD_SECRET_WAREHOUSE", url)
        .output()
        .unwrap()
        .into();
    let answer = answer.expect(1);
    assert!(answer.err.contains("could not reach the database"), "{answer}");
    assert!(!format!("{answer}").contains("hunter2"), "{answer}");
    let missing = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert!(
        missing.err.contains("the secret `warehouse` is not set"),
        "{missing}"
    );
}
