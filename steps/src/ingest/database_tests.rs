use super::*;
use crate::testbed::{Bed, contract, rows};
use serde_json::json;
use trainyard_contract::DataContract;

const OUT: &[(&str, ArtifactKind)] = &[("table", ArtifactKind::Table)];

fn sales() -> DataContract {
    contract(json!({
        "version": 1, "name": "sales", "columns": {
            "id": {"type": "int32", "nullable": false}, "at": {"type": "timestamp[us, UTC]"},
            "price": {"type": "float64", "min": 0}, "state": {"type": "string"},
        }
    }))
}

/// A SQLite file with rows 1 to n, one an hour.
fn shop(bed: &Bed, n: u32) {
    let path = bed.folder.path().join("shop.db");
    let _ = std::fs::remove_file(&path);
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch("CREATE TABLE sales (id INTEGER, at TEXT, price REAL, state TEXT, extra BLOB)")
        .unwrap();
    for id in 1..=n {
        let values = (
            id,
            format!("2020-01-01 {id:02}:00:00"),
            f64::from(id) / 2.0,
            if id == 2 { None } else { Some("") },
        );
        db.execute("INSERT INTO sales VALUES (?1, ?2, ?3, ?4, x'00')", values)
            .unwrap();
    }
}

fn with(more: Value) -> Value {
    let mut with = json!({"url": "sqlite:shop.db", "query": "SELECT id, at, price, state FROM sales"});
    with.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    with
}

#[test]
fn a_query_gives_a_table_of_the_contracts_types_in_batches() {
    let bed = Bed::new().contract(sales());
    shop(&bed, 5);
    let ended = bed
        .run_with_contract(&IngestSql, with(json!({"batch_rows": 2, "params": [4], "query": "SELECT state, price, at, id FROM sales WHERE id <= ?1"})), "table", "sales")
        .unwrap();
    assert_eq!(
        rows(&ended.frame("table")),
        [
            "1|2020-01-01 01:00:00 UTC|0.5|",
            "2|2020-01-01 02:00:00 UTC|1|-",
            "3|2020-01-01 03:00:00 UTC|1.5|",
            "4|2020-01-01 04:00:00 UTC|2|"
        ]
    );
}

#[test]
fn without_a_contract_types_are_the_databases() {
    let bed = Bed::new();
    shop(&bed, 2);
    let ended = bed.run(&IngestSql, with(json!({})), OUT).unwrap();
    let types: Vec<String> = ended
        .schema("table")
        .columns
        .iter()
        .map(|c| c.data_type.to_string())
        .collect();
    assert_eq!(types, ["int64", "string", "float64", "string"]);
    let none = bed
        .run(
            &IngestSql,
            with(json!({"query": "SELECT id FROM sales WHERE id > 9"})),
            OUT,
        )
        .unwrap();
    assert_eq!(none.artifact("table").rows, Some(0));
}

#[test]
fn the_next_run_asks_only_for_what_is_new() {
    let mut bed = Bed::new().contract(sales());
    let more = json!({"mode": "incremental", "watermark": "at", "dedupe_on": ["id"]});
    shop(&bed, 3);
    let first = bed
        .run_with_contract(&IngestSql, with(more.clone()), "table", "sales")
        .unwrap();
    shop(&bed, 5);
    bed = bed.after(&first);
    let second = bed
        .run_with_contract(&IngestSql, with(more.clone()), "table", "sales")
        .unwrap();
    let ids = second.frame("table").select(["id"]).unwrap();
    assert_eq!(rows(&ids), ["1", "2", "3", "4", "5"]);
    // Three of the five lie below the watermark: the last of them is asked for once more.
    assert_eq!(second.report.resources.rows_in, 3);
}

#[test]
fn bad_rows_writing_queries_and_missing_things_are_told() {
    let bed = Bed::new().contract(sales());
    shop(&bed, 3);
    let fails = |more: Value| {
        let error = bed
            .run_with_contract(&IngestSql, with(more), "table", "sales")
            .unwrap_err();
        (error.failure.class, error.failure.message)
    };
    let query = |text: &str| json!({ "query": text });
    assert_eq!(
        fails(query(
            "SELECT id, at, -price AS price, state FROM sales WHERE id = 2"
        )),
        (
            FailureClass::GateFailed,
            "1 of 1 rows are bad: query row 1 column `price`: `-1` is less than 0".to_owned()
        )
    );
    let (class, message) = fails(query("SELECT idd FROM sales"));
    assert_eq!(class, FailureClass::Rejected);
    assert!(
        message.starts_with("the database refused the query: no such column: idd"),
        "{message}"
    );
    assert_eq!(fails(query("DELETE FROM sales")).0, FailureClass::Rejected);
    assert_eq!(
        fails(json!({"url": "sqlite:none.db"})).1,
        "there is no database none.db"
    );
    assert_eq!(
        fails(query("SELECT id, at, price FROM sales")).1,
        "query has no column `state`, which contract `sales` lists"
    );
    let missing = Bed::new()
        .run(&IngestSql, json!({"query": "SELECT 1"}), OUT)
        .unwrap_err();
    assert_eq!(missing.failure.message, "the step has no secret `DATABASE_URL`");
}

#[test]
fn a_password_in_the_pipeline_is_found_before_the_run() {
    let answer = Bed::new().infer(
        &IngestSql,
        json!({"url": "postgres://me:secret@host/db", "query": "SELECT 1", "mode": "incremental", "lateness": "2h"}),
        OUT,
    );
    let found: Vec<String> = answer
        .findings
        .iter()
        .map(|f| format!("{} {}", f.code, f.path))
        .collect();
    assert_eq!(found, ["S01 with.mode", "S01 with.lateness", "S03 with.url"]);
}

#[test]
fn postgresql_gives_every_type_bound_values_and_what_is_new() {
    let Some(server) = trainyard_test_postgres::Server::start() else {
        return;
    };
    let mut client = ::postgres::Client::connect(&server.url(), ::postgres::NoTls).unwrap();
    client
        .batch_execute(
            "CREATE TYPE mood AS ENUM ('good', 'bad');
             CREATE TABLE t (b bool, i2 int2, i4 int4, i8 int8, f4 real, f8 double precision, n numeric(12,3), s text, d date,
                             ts timestamp, tz timestamptz, tm time, u uuid, j jsonb, m mood);
             INSERT INTO t VALUES (true, -2, 4, 8, 0.5, 1e300, -1234.5, '', '2020-02-29', '1999-12-31 23:59:59.5',
                '2020-01-01 01:00+01', '10:30', '00000000-0000-0000-0000-000000000001', '{\"a\": 1}', 'bad'),
               (null, null, null, 9, null, null, null, null, null, null, '2020-01-02 00:00Z', null, null, null, null)",
        )
        .unwrap();
    let mut bed = Bed::new();
    bed.secrets.insert("DATABASE_URL".into(), server.url());
    let all = bed
        .run(
            &IngestSql,
            json!({"query": "SELECT * FROM t ORDER BY i8", "batch_rows": 1}),
            OUT,
        )
        .unwrap();
    assert_eq!(
        rows(&all.frame("table")),
        [
            "true|-2|4|8|0.5|1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000|-1234.5||2020-02-29|1999-12-31 23:59:59.500|2020-01-01 00:00:00 UTC|10:30:00|00000000-0000-0000-0000-000000000001|{\"a\": 1}|bad",
            "-|-|-|9|-|-|-|-|-|-|2020-01-02 00:00:00 UTC|-|-|-|-",
        ]
    );
    let query = json!({
        "query": "SELECT i8, tz FROM t WHERE i8 >= $1", "params": [8], "mode": "incremental", "watermark": "tz", "dedupe_on": ["i8"],
    });
    let first = bed.run(&IngestSql, query.clone(), OUT).unwrap();
    client
        .batch_execute("INSERT INTO t (i8, tz) VALUES (10, '2020-01-03Z'), (1, '2020-01-03Z')")
        .unwrap();
    let bed = bed.after(&first);
    let second = bed.run(&IngestSql, query, OUT).unwrap();
    assert_eq!(
        rows(&second.frame("table").select(["i8"]).unwrap()),
        ["8", "9", "10"]
    );
    assert_eq!(second.report.resources.rows_in, 2);
    let fails = |query: &str| {
        bed.run(&IngestSql, json!({ "query": query }), OUT)
            .unwrap_err()
            .failure
    };
    assert_eq!(
        fails("SELECT nix FROM t").message,
        "the database refused the query: column \"nix\" does not exist"
    );
    assert!(
        fails("DELETE FROM t RETURNING i8")
            .message
            .contains("read-only transaction")
    );
    assert!(
        fails("SELECT point(1, 2) AS p")
            .message
            .contains("column `p` of the query cannot be read")
    );
    drop(server);
    assert_eq!(fails("SELECT 1").class, FailureClass::IoError);
}
