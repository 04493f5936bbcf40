use super::*;
use crate::diagnostic::Sources;
use crate::pipeline::reader;

fn parsed(text: &str) -> (Option<Schema>, Vec<String>) {
    let mut sources = Sources::default();
    let file = sources.add("a.avsc", text);
    let root = reader::read(file, text).0.unwrap().root;
    let (schema, faults) = read(&root);
    let shown = faults.iter().map(|fault| {
        let (line, column) = sources.file(file).unwrap().line_column(fault.span.start);
        format!("{line}:{column} {}", fault.message)
    });
    (schema, shown.collect())
}

fn schema(text: &str) -> Schema {
    let (schema, faults) = parsed(text);
    assert_eq!(faults, Vec::<String>::new(), "{text}");
    schema.unwrap()
}

fn mismatches(writer: &str, reader: &str) -> Vec<String> {
    let found = resolve(&schema(writer), &schema(reader));
    found
        .iter()
        .map(|mismatch| format!("{} {}", mismatch.field, mismatch.message))
        .collect()
}

fn record(fields: &str) -> String {
    format!(r#"{{"type": "record", "name": "r", "fields": [{fields}]}}"#)
}

/// The table of the specification: what is promoted to what.
#[test]
fn primitives_are_promoted_as_the_specification_says() {
    let all = [
        "null", "boolean", "int", "long", "float", "double", "bytes", "string",
    ];
    let promoted = [
        ("int", "long"),
        ("int", "float"),
        ("int", "double"),
        ("long", "float"),
        ("long", "double"),
        ("float", "double"),
        ("string", "bytes"),
        ("bytes", "string"),
    ];
    for writer in all {
        for reader in all {
            let fits = writer == reader || promoted.contains(&(writer, reader));
            let found = mismatches(&format!("\"{writer}\""), &format!("\"{reader}\""));
            assert_eq!(found.is_empty(), fits, "{writer} read as {reader}: {found:?}");
        }
    }
}

#[test]
fn every_branch_that_may_be_written_has_to_be_readable() {
    assert_eq!(
        mismatches(r#""int""#, r#"["null", "long"]"#),
        Vec::<String>::new()
    );
    assert_eq!(
        mismatches(r#"["null", "int"]"#, r#"["double", "null"]"#),
        Vec::<String>::new()
    );
    assert_eq!(
        mismatches(r#"["null", "int"]"#, r#""int""#),
        [" may be null, and int is read"]
    );
    assert_eq!(
        mismatches(r#""string""#, r#"["null", "int"]"#),
        [" is string, and null or int is read"]
    );
}

#[test]
fn a_field_that_is_not_written_needs_a_default_and_one_too_many_does_not_matter() {
    let x = r#"{"name": "x", "type": "int"}"#;
    let y = r#"{"name": "y", "type": "int"}"#;
    let with_default = r#"{"name": "y", "type": "int", "default": 0}"#;
    let alias = r#"{"name": "z", "aliases": ["y"], "type": "long"}"#;
    let both = format!("{x}, {y}");
    assert_eq!(mismatches(&record(&both), &record(x)), Vec::<String>::new());
    assert_eq!(
        mismatches(&record(x), &record(&both)),
        ["y is not written, and has no default where it is read"]
    );
    assert_eq!(
        mismatches(&record(x), &record(&format!("{x}, {with_default}"))),
        Vec::<String>::new()
    );
    assert_eq!(
        mismatches(&record(&both), &record(&format!("{x}, {alias}"))),
        Vec::<String>::new()
    );
}

#[test]
fn enums_logical_types_and_what_lies_within_are_compared() {
    let of = |symbols: &str, more: &str| {
        let inner = format!(r#"{{"type": "enum", "name": "e", "symbols": [{symbols}]{more}}}"#);
        record(&format!(
            r#"{{"name": "x", "type": {{"type": "array", "items": {inner}}}}}"#
        ))
    };
    let (ab, a) = (r#""A", "B""#, r#""A""#);
    assert_eq!(mismatches(&of(a, ""), &of(ab, "")), Vec::<String>::new());
    assert_eq!(
        mismatches(&of(ab, ""), &of(a, "")),
        ["x may be B, which the enum that is read does not have"]
    );
    assert_eq!(
        mismatches(&of(ab, ""), &of(a, r#", "default": "A""#)),
        Vec::<String>::new()
    );
    let at = |logical: &str| {
        record(&format!(
            r#"{{"name": "at", "type": {{"type": "long", "logicalType": "{logical}"}}}}"#
        ))
    };
    assert_eq!(
        mismatches(&at("timestamp-micros"), &at("timestamp-millis")),
        ["at is a timestamp-micros, and a timestamp-millis is read"]
    );
}

#[test]
fn what_is_no_schema_is_told_with_its_place() {
    let faults = |text: &str| parsed(text).1;
    assert_eq!(
        faults(
            "{\"type\": \"record\", \"name\": \"r\",\n \"fields\": [{\"name\": \"x\", \"type\": \"integer\"}]}"
        ),
        ["2:35 there is no type `integer`"]
    );
    assert_eq!(
        faults(r#"{"type": "record", "name": "r"}"#),
        ["1:1 the record has no `fields`"]
    );
    assert_eq!(
        faults(r#"["null", "null"]"#),
        ["1:10 `null` is in the union twice"]
    );
    assert_eq!(
        faults(&record(r#"{"name": "x", "type": "int", "default": "a"}"#)),
        ["1:84 the default of `x` is no int"]
    );
    assert_eq!(
        faults(&record(
            r#"{"name": "x", "type": ["null", "int"], "default": null}"#
        )),
        Vec::<String>::new()
    );
    assert_eq!(
        faults(&record(r#"{"name": "a-b", "type": "int"}"#)),
        ["1:53 `a-b` is no name in Avro"]
    );
}

#[test]
fn a_named_type_is_known_from_where_it_stands() {
    let inner = r#"{"type": "enum", "name": "e", "symbols": ["A"]}"#;
    let text = record(&format!(
        r#"{{"name": "x", "type": {inner}}}, {{"name": "y", "type": "e"}}"#
    ));
    assert_eq!(parsed(&text).1, Vec::<String>::new());
    let full = text.replacen("\"name\": \"r\"", "\"name\": \"r\", \"namespace\": \"n\"", 1);
    assert_eq!(parsed(&full).1, Vec::<String>::new());
}
