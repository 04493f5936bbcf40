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
        ended.report.headline.as_deref(),
        Some("t: 2 rows, 4 columns, 2 bad left out")
    );
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

/// `id`, `at` an hour each, `x`.
fn hours(from: u32, to: u32, x: u32) -> String {
    let rows = (from..=to).map(|id| format!("{id},2020-01-01T{id:02}:00:00Z,a,{x}\n"));
    std::iter::once("id,at,kind,x\n".to_owned()).chain(rows).collect()
}

fn ids(ended: &crate::testbed::Ended) -> Vec<String> {
    rows(&ended.frame("t").select(["id", "x"]).unwrap())
}

#[test]
fn an_incremental_run_goes_on_with_the_last_table_and_reads_only_new_files() {
    let bed = Bed::new()
        .contract(small())
        .file("in/1.csv", hours(1, 3, 1))
        .dataset("t", "in/*.csv", Some("small"));
    let with = json!({"mode": "incremental", "watermark": "at"});
    let first = bed.run(&IngestFiles, with.clone(), TABLE).unwrap();
    let bed = bed.after(&first);
    let same = bed.run(&IngestFiles, with.clone(), TABLE).unwrap();
    assert_eq!(same.artifact("t").hash, first.artifact("t").hash);
    assert_eq!(same.report.resources.rows_in, 0);
    let bed = bed.file("in/2.csv", hours(4, 5, 2));
    let second = bed.run(&IngestFiles, with.clone(), TABLE).unwrap();
    assert_eq!(ids(&second), ["1|1", "2|1", "3|1", "4|2", "5|2"]);
    assert_eq!(second.report.resources.rows_in, 2);
    // The same from the start gives the same table: nothing depends on how one came there.
    let bed = Bed {
        previous: Default::default(),
        ..bed
    };
    let full = bed.run(&IngestFiles, json!({}), TABLE).unwrap();
    assert_eq!(full.artifact("t").hash, second.artifact("t").hash);
}

#[test]
fn late_rows_are_taken_within_the_lateness_and_set_aside_beyond_it() {
    let bed = Bed::new()
        .contract(small())
        .file("in/1.csv", hours(5, 9, 1))
        .dataset("t", "in/*.csv", Some("small"));
    let with = json!({"mode": "incremental", "watermark": "at", "lateness": "2h", "dedupe_on": ["id"], "dedupe_keep": "last"});
    let first = bed.run(&IngestFiles, with.clone(), TABLE).unwrap();
    // 3 is late, 5 and 6 are old ones again, 8 is corrected, 10 is new.
    let text = "id,at,kind,x\n3,2020-01-01T03:00:00Z,a,2\n5,2020-01-01T05:00:00Z,a,2\n8,2020-01-01T08:00:00Z,a,2\n10,2020-01-01T10:00:00Z,a,2\n";
    let bed = bed.after(&first).file("in/2.csv", text);
    let ended = bed.run(&IngestFiles, with, TABLE).unwrap();
    assert_eq!(ids(&ended), ["5|1", "6|1", "7|1", "9|1", "8|2", "10|2"]);
    assert_eq!(
        rows(&ended.frame("quarantine")),
        [
            "in/2.csv|1|at|2020-01-01T03:00:00Z|is late: rows before 2020-01-01T07:00:00Z have been taken already"
        ]
    );
}

#[test]
fn of_rows_that_agree_the_one_updated_last_is_kept_wherever_it_stands() {
    let text = "id,at,kind,x\n1,2020-01-03,a,3\n2,2020-01-01,a,9\n1,2020-01-01,a,1\n1,2020-01-02,a,2\n";
    let bed = bed("t.csv", text);
    let with = |keep: &str| json!({"dedupe_on": ["id"], "dedupe_keep": keep, "dedupe_order": "at"});
    assert_eq!(
        ids(&bed.run(&IngestFiles, with("last"), TABLE).unwrap()),
        ["1|3", "2|9"]
    );
    assert_eq!(
        ids(&bed.run(&IngestFiles, with("first"), TABLE).unwrap()),
        ["2|9", "1|1"]
    );
}

#[test]
fn a_snapshot_is_the_earlier_table_and_its_time_is_checked() {
    let bed = bed("t.csv", hours(1, 3, 1));
    let first = bed.run(&IngestFiles, json!({}), TABLE).unwrap();
    let bed = bed.after(&first).file("t.csv", hours(1, 9, 1));
    let with = json!({"mode": "snapshot", "as_of": "2026-11-01"});
    let then = bed.run(&IngestFiles, with.clone(), TABLE).unwrap();
    assert_eq!(then.artifact("t"), first.artifact("t"));
    assert_eq!(IngestFiles.memory(&with), Some(Memory::AsOf("2026-11-01".into())));
    let found = |with: Value| -> Vec<String> {
        let findings = bed.infer(&IngestFiles, with, TABLE).findings;
        findings
            .iter()
            .map(|f| format!("{} {}", f.code, f.path))
            .collect()
    };
    assert_eq!(found(with), Vec::<String>::new());
    assert_eq!(found(json!({"mode": "snapshot"})), ["S01 with.mode"]);
    assert_eq!(
        found(json!({"mode": "snapshot", "as_of": "yesterday"})),
        ["S03 with.as_of"]
    );
    assert_eq!(found(json!({"as_of": "2026-11-01"})), ["S01 with.as_of"]);
    assert_eq!(found(json!({"lateness": "2h"})), ["S01 with.lateness"]);
    assert_eq!(
        found(json!({"mode": "incremental", "watermark": "kind", "columns": ["kind"]})),
        ["D01/wrong-column-type with.watermark"]
    );
}

#[test]
fn a_dialect_is_read_as_its_options_say_and_a_wrong_option_is_told() {
    let text = "# made by hand\nid;at;kind;x\n1;31.01.2020 10:00;a;1.234,5\n2;1.2.2020 10:00;NA;0,5\n";
    let read = |options: Value| {
        let mut bed = bed("t.csv", text);
        if let Some(TaskInput::Dataset(dataset)) = bed.inputs.get_mut("t") {
            dataset.options = options;
        }
        bed.run(&IngestFiles, json!({}), TABLE)
    };
    let ended = read(json!({
        "comment": "#", "decimal": ",", "thousands": ".", "null_values": ["NA"], "timezone": "Europe/Berlin",
    }))
    .unwrap();
    assert_eq!(
        rows(&ended.frame("t")),
        [
            "1|2020-01-31 09:00:00 UTC|a|1234.5",
            "2|2020-02-01 09:00:00 UTC|-|0.5"
        ]
    );
    let fails = |options: Value| read(options).unwrap_err().failure.message;
    assert!(fails(json!({"seperator": ";"})).contains("unknown field `seperator`"));
    assert!(fails(json!({"decimal": ",", "thousands": ","})).contains("`options.thousands` must be"));
}

#[test]
fn a_type_that_only_the_last_rows_show_is_the_type_of_all() {
    let mut text = String::from("n,s\n");
    for n in 0..400_000 {
        text.push_str(&format!("{n},text {n}\n"));
    }
    text.push_str("0.5,last\n");
    assert!(text.len() > 4 << 20, "more than a block");
    let bed = Bed::new().file("t.csv", &text).dataset("t", "t.csv", None);
    let ended = bed.run(&IngestFiles, json!({}), TABLE).unwrap();
    assert_eq!(
        ended.schema("t").column("n").unwrap().data_type,
        DataType::Float64
    );
    assert_eq!(ended.artifact("t").rows, Some(400_001));
}

#[test]
fn two_hundred_columns_and_compressed_files_are_read() {
    let header: Vec<String> = (0..200).map(|at| format!("c{at}")).collect();
    let row: Vec<String> = (0..200).map(|at| at.to_string()).collect();
    let text = format!("{}\n{}\n{}\n", header.join("\t"), row.join("\t"), row.join("\t"));
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zipped, text.as_bytes()).unwrap();
    let bed = Bed::new()
        .file("t.tsv.gz", zipped.finish().unwrap())
        .dataset("t", "t.tsv.gz", None);
    let ended = bed.run(&IngestFiles, json!({}), TABLE).unwrap();
    assert_eq!(ended.report.headline.as_deref(), Some("t: 2 rows, 200 columns"));
}

#[test]
fn arrow_files_are_read_like_parquet_ones() {
    let mut frame =
        df!("id" => [1i64, 2], "at" => ["2020-01-01", "2020-01-02"], "kind" => ["a", "b"], "x" => [1.0, 2.0])
            .unwrap();
    let bed = bed("t.arrow", "");
    let file = std::fs::File::create(bed.folder.path().join("t.arrow")).unwrap();
    {
        use polars::prelude::SerWriter;
        polars::prelude::IpcWriter::new(file).finish(&mut frame).unwrap();
    }
    let ended = bed.run(&IngestFiles, json!({}), TABLE).unwrap();
    assert_eq!(
        rows(&ended.frame("t")),
        ["1|2020-01-01 00:00:00 UTC|a|1", "2|2020-01-02 00:00:00 UTC|b|2"]
    );
}

/// Peak and present resident memory of this process in bytes.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    (of("VmHWM:"), of("VmRSS:"))
}

/// In a process of its own, since memory is counted by process.
#[test]
fn memory_does_not_grow_with_the_file() {
    const CHILD: &str = "TRAINYARD_TEST_INGEST_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "ingest::tests::memory_does_not_grow_with_the_file",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(
            child.status.success(),
            "{}",
            String::from_utf8_lossy(&child.stdout)
        );
        return;
    }
    let mut bed = bed("t.csv", "");
    bed = bed.dataset("t", "t.csv", Some("small"));
    let mut contract = small();
    contract.columns.get_mut("id").unwrap().data_type = DataType::Int64;
    let bed = bed.contract(contract);
    {
        let mut file =
            std::io::BufWriter::new(std::fs::File::create(bed.folder.path().join("t.csv")).unwrap());
        std::io::Write::write_all(&mut file, b"id,at,kind,x\n").unwrap();
        for id in 1..=4_000_000 {
            std::io::Write::write_fmt(&mut file, format_args!("{id},2020-01-01T00:00:00Z,a,{id}.5\n"))
                .unwrap();
        }
    }
    let size = std::fs::metadata(bed.folder.path().join("t.csv")).unwrap().len();
    let (_, before) = resident();
    let ended = bed.run(&IngestFiles, json!({}), TABLE).unwrap();
    let (peak, _) = resident();
    assert_eq!(ended.artifact("t").rows, Some(4_000_000));
    // All rows at once are 40 bytes each without any text of them, and the text once more.
    assert!(
        peak - before < size,
        "{} MB for a file of {} MB",
        (peak - before) >> 20,
        size >> 20
    );
}
