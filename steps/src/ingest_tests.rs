use super::*;
use crate::testbed::{Bed, contract, examples, rows};
use polars::prelude::df;
use serde_json::json;
use trainyard_contract::FailureClass;

const TABLE: &[(&str, ArtifactKind)] = &[("t", ArtifactKind::Table)];

/// `id` from 1 up, `at` a time, `kind` a or b, `x` a number.
fn small() -> DataContract {
    contract(json!({
        "version": 1, "name": "small", "event_time": "at", "primary_key": ["id"],
        "columns": {
            "id": {"type": "int16", "nullable": false, "min": 1},
            "at": {"type": "timestamp[us, UTC]", "nullable": false},
            "kind": {"type": "string", "accepted_values": ["a", "b"]},
            "x": {"type": "float64"},
        }
    }))
}

fn bed(file: &str, content: impl AsRef<[u8]>) -> Bed {
    Bed::new()
        .file(file, content)
        .contract(small())
        .dataset("t", file, Some("small"))
}

fn failure(bed: &Bed, with: Value) -> (FailureClass, String) {
    let error = bed.run(&IngestFiles, with, TABLE).unwrap_err();
    (error.failure.class, error.failure.message)
}

#[test]
fn a_csv_with_all_that_csv_can_have_is_typed_by_its_contract() {
    let text = "\u{feff}kind,id,\"x\",at,extra\r\n\
        a,1,0.5,2020-01-01T00:00:00Z,\"one, two\"\r\n\
        \"b\",2.0,,2020-01-01 01:00:00,\"line\nend\"\r\n\
        ,3,-1e3,2020-01-01T03:00:00+01:00,\"say \"\"x\"\"\"\r\n";
    let ended = bed("t.csv", text).run(&IngestFiles, json!({}), TABLE).unwrap();
    assert_eq!(
        rows(&ended.frame("t")),
        [
            "1|2020-01-01 00:00:00 UTC|a|0.5",
            "2|2020-01-01 01:00:00 UTC|b|-",
            "3|2020-01-01 02:00:00 UTC|-|-1000"
        ]
    );
    assert_eq!(
        ended.schema("t").column("id").unwrap().data_type.to_string(),
        "int16"
    );
    assert!(
        ended.log.iter().any(|line| line.contains("dropped `extra`")),
        "{:?}",
        ended.log
    );
}

#[test]
fn check_and_run_say_the_same_of_the_output() {
    let bed = bed("t.csv", "id,at,kind,x\n1,2020-01-01T00:00:00Z,a,1\n");
    let with = json!({"columns": ["id", "x"], "dedupe_on": ["id"]});
    let answer = bed.infer(&IngestFiles, with.clone(), TABLE);
    assert_eq!(answer.findings, []);
    let ended = bed.run(&IngestFiles, with, TABLE).unwrap();
    assert_eq!(answer.outputs["t"], Shape::Table(ended.schema("t").clone()));
    assert_eq!(answer.lineage, ended.report.lineage);
    assert_eq!(ended.schema("t").event_time, None);
    assert_eq!(ended.schema("t").primary_key, ["id"]);
}

#[test]
fn a_bad_row_fails_the_step_naming_file_row_column_and_value() {
    let bed = bed(
        "t.csv",
        "id,at,kind,x\n1,2020-01-01,a,1\nx,2020-01-01,a,1\n3,2020-01-01,c,1\n0,,b,1\n5,2020-01-01,b,y\n40000,2020-01-01,b,1\n",
    );
    let (class, message) = failure(&bed, json!({}));
    assert_eq!(class, FailureClass::GateFailed);
    assert_eq!(
        message,
        "input `t`: 5 of 6 rows are bad: t.csv row 2 column `id`: `x` is not of type int16; \
         t.csv row 3 column `kind`: `c` is not one of a, b; t.csv row 4 column `id`: `0` is less than 1; and 3 more"
    );
}

#[test]
fn tolerated_bad_rows_are_set_aside_with_their_reasons() {
    let bed = bed(
        "t.csv",
        "id,at,kind,x\n1,2020-01-01,a,1\n2,2020-01-01,a\n3,,a,1\n4,2020-01-01,b,4\n",
    );
    let ended = bed
        .run(&IngestFiles, json!({"max_bad_share": 0.5}), TABLE)
        .unwrap();
    assert_eq!(rows(&ended.frame("t").select(["id"]).unwrap()), ["1", "4"]);
    assert_eq!(
        rows(&ended.frame("quarantine")),
        [
            "t.csv|2|-|2,2020-01-01,a|has 3 fields where the header has 4",
            "t.csv|3|at|-|is missing, and the contract says `nullable: false`"
        ]
    );
    let (class, _) = failure(&bed, json!({"max_bad_share": 0.49}));
    assert_eq!(class, FailureClass::GateFailed);
}

#[test]
fn a_file_that_cannot_be_read_at_all_is_named() {
    let header = "id,at,kind,x\n";
    for (content, expected) in [
        (
            &b""[..],
            "dataset `t`: t.csv is empty, there is not even a header",
        ),
        (header.as_bytes(), "dataset `t`: t.csv has no rows"),
        (
            b"id,at,knd,x\n1,2020-01-01,a,1\n",
            "dataset `t`: t.csv has no column `kind`, which contract `small` lists",
        ),
        (
            b"id,at,kind,id\n",
            "dataset `t`: t.csv: two columns are called `id`",
        ),
        (
            b"id,at,kind,x\n1,2020-01-01,caf\xe9,1\n",
            "dataset `t`: t.csv is not UTF-8: row 1 column `kind` has byte 0xE9, byte 30 of the file",
        ),
        (
            b"\xff\xfei\0d\0",
            "dataset `t`: t.csv has no column `at`, which contract `small` lists",
        ),
    ] {
        let (class, message) = failure(&bed("t.csv", content), json!({}));
        assert_eq!((class, message.as_str()), (FailureClass::Rejected, expected));
    }
    let missing = Bed::new()
        .file("tt.csv", "x")
        .contract(small())
        .dataset("t", "t.csv", Some("small"));
    let error = missing.run(&IngestFiles, json!({}), TABLE).unwrap_err();
    assert_eq!(error.failure.message, "dataset `t`: there is no file t.csv");
    assert_eq!(error.failure.help.as_deref(), Some("beside it there is `tt.csv`"));
}

#[test]
fn a_damaged_parquet_file_is_an_error_that_names_it() {
    let whole = std::fs::read(examples().join("data/flights/weather.parquet")).unwrap();
    for (content, what) in [
        (whole[..whole.len() / 2].to_vec(), "cut off"),
        (b"PAR1 this is no Parquet file PAR1".to_vec(), "something else"),
        (Vec::new(), "empty"),
    ] {
        let bed = Bed::new()
            .file("w.parquet", content)
            .dataset("t", "w.parquet", None);
        let (class, message) = failure(&bed, json!({}));
        assert_eq!(class, FailureClass::Rejected, "{what}");
        assert!(
            message.starts_with("dataset `t`: w.parquet "),
            "{what}: {message}"
        );
    }
}

#[test]
fn ndjson_is_typed_by_its_contract_and_bad_lines_are_named() {
    let text = "{\"id\": 1, \"at\": \"2020-01-01T00:00:00Z\", \"kind\": \"a\", \"x\": 2}\n\
        \n{\"x\": null, \"at\": \"2020-01-01T00:00:00Z\", \"id\": \"2\", \"kind\": null}\n{\"id\": 3\n";
    let ended = bed("t.ndjson", text)
        .run(&IngestFiles, json!({"max_bad_share": 0.4}), TABLE)
        .unwrap();
    assert_eq!(
        rows(&ended.frame("t")),
        ["1|2020-01-01 00:00:00 UTC|a|2", "2|2020-01-01 00:00:00 UTC|-|-"]
    );
    assert_eq!(
        ended
            .frame("quarantine")
            .column("row")
            .unwrap()
            .u64()
            .unwrap()
            .get(0),
        Some(4)
    );
}

#[test]
fn without_a_contract_types_follow_from_all_values() {
    let text = "n,f,zip,b,d,t,s,none\n1,1,00501,true,2020-01-01,2020-01-01T00:00:00Z,x,\n-2,2.5,10001,false,2020-02-29,2020-01-01T01:00:00Z,1,\n";
    let bed = Bed::new().file("t.csv", text).dataset("t", "t.csv", None);
    assert_eq!(
        bed.infer(&IngestFiles, json!({}), TABLE).outputs["t"],
        Shape::UnknownTable
    );
    let ended = bed.run(&IngestFiles, json!({}), TABLE).unwrap();
    let types: Vec<String> = ended
        .schema("t")
        .columns
        .iter()
        .map(|c| c.data_type.to_string())
        .collect();
    assert_eq!(
        types,
        [
            "int64",
            "float64",
            "string",
            "boolean",
            "date",
            "timestamp[us, UTC]",
            "string",
            "string"
        ]
    );
}

#[test]
fn a_glob_reads_files_in_the_order_of_their_names_and_doubles_are_dropped() {
    let row = |id: u32, x: u32| format!("id,at,kind,x\n{id},2020-01-01,a,{x}\n7,2020-01-02,b,{x}\n");
    let bed = Bed::new()
        .file("in/b.csv", row(2, 20))
        .file("in/a.csv", row(1, 10))
        .contract(small())
        .dataset("t", "file://./in/*.csv", Some("small"));
    let ids = |with: Value| {
        let ended = bed.run(&IngestFiles, with, TABLE).unwrap();
        rows(&ended.frame("t").select(["id", "x"]).unwrap())
    };
    assert_eq!(ids(json!({})), ["1|10", "7|10", "2|20", "7|20"]);
    assert_eq!(ids(json!({"dedupe_on": ["id"]})), ["1|10", "7|10", "2|20"]);
    assert_eq!(
        ids(json!({"dedupe_on": ["id"], "dedupe_keep": "last"})),
        ["1|10", "2|20", "7|20"]
    );
    let ended = bed
        .run(
            &IngestFiles,
            json!({"mode": "incremental", "watermark": "at", "dedupe_on": ["id", "nowhere"]}),
            TABLE,
        )
        .unwrap();
    assert_eq!(
        ended.log,
        [
            "t: not deduplicated, it has no `nowhere`",
            "t: high watermark at = 2020-01-02T00:00:00Z"
        ]
    );
}

#[test]
fn a_column_no_input_has_is_found_before_the_run() {
    let bed = bed("t.csv", "");
    let answer = bed.infer(
        &IngestFiles,
        json!({"dedupe_on": ["id", "knd"], "mode": "incremental"}),
        TABLE,
    );
    let found: Vec<String> = answer
        .findings
        .iter()
        .map(|f| format!("{} {} {:?} {:?}", f.code, f.path, f.word, f.help))
        .collect();
    assert_eq!(
        found,
        [
            "D01 with.dedupe_on[1] Some(\"knd\") Some(\"did you mean `kind`?\")",
            "S01 with.mode None Some(\"name the column that grows with time: `watermark: COLUMN`\")"
        ]
    );
}

#[test]
fn the_flights_are_read_whole_and_give_the_same_bytes_every_time() {
    let bed = Bed::new()
        .contract(crate::testbed::example_contract("flights"))
        .dataset(
            "t",
            &examples().join("data/flights/flights.parquet").to_string_lossy(),
            Some("flights"),
        );
    let first = bed
        .run(
            &IngestFiles,
            json!({"dedupe_on": ["carrier", "flight", "time_hour"]}),
            TABLE,
        )
        .unwrap();
    let frame = first.frame("t");
    // 336,776 rows, 9,430 of them without an arrival delay: DATA.md.
    assert_eq!(frame.column("arr_delay").unwrap().null_count(), 9430);
    assert_eq!(
        first.report.headline.as_deref(),
        Some("t: 336,776 rows, 19 columns")
    );
    let second = bed
        .run(
            &IngestFiles,
            json!({"dedupe_on": ["carrier", "flight", "time_hour"]}),
            TABLE,
        )
        .unwrap();
    assert_eq!(first.artifact("t").hash, second.artifact("t").hash);
}

#[test]
fn rows_are_typed_whatever_types_the_parquet_file_has() {
    let mut frame = df!(
        "id" => [1.0, 2.5, 3.0], "at" => ["2020-01-01", "2020-01-02", "later"], "kind" => ["a", "b", "a"], "x" => [1i64, 2, 3]
    )
    .unwrap();
    let bed = bed("t.parquet", "");
    polars::prelude::ParquetWriter::new(std::fs::File::create(bed.folder.path().join("t.parquet")).unwrap())
        .finish(&mut frame)
        .unwrap();
    let ended = bed
        .run(&IngestFiles, json!({"max_bad_share": 0.7}), TABLE)
        .unwrap();
    assert_eq!(rows(&ended.frame("t")), ["1|2020-01-01 00:00:00 UTC|a|1"]);
    assert_eq!(
        rows(
            &ended
                .frame("quarantine")
                .select(["row", "column", "value", "reason"])
                .unwrap()
        ),
        [
            "2|id|2.5|is not of type int16",
            "3|at|later|is not of type timestamp[us, UTC]"
        ]
    );
}
