use crate::pipeline::fixture::{checked, project, shown};
use crate::pipeline::{CheckLevel, files::memory::MemoryFiles};

const TRAIN: &str = "\
version: 1
name: p
include: [../contracts/flights.yaml]
datasets: {flights: {path: data/flights.csv, contract: flights}}
steps:
  features:
    uses: features.build@v1
    inputs: {flights: flights}
    with:
      entity: [carrier]
      keep: [carrier, distance, dep_delay]
      label: {name: label, expr: \"arr_delay > 15\"}
    outputs: {table: {type: table}}
  train:
    uses: train.classifier@v1
    inputs: {train: features.table}
    outputs: {model: {type: model, input_schema: in.avsc, output_schema: out.avsc}}
";

const DEPLOY: &str = "  register:
    uses: registry.register@v1
    inputs: {model: train.model}
    with: {name: late}
    outputs: {version: {type: model_version}}
  deploy:
    uses: deploy.endpoint@v1
    inputs: {version: register.version}
    with: {streams: {input: streams/in.yaml, output: streams/out.yaml}}
";

const IN: &str = r#"{"type": "record", "name": "r", "fields": [
  {"name": "carrier", "type": "string"},
  {"name": "distance", "type": "int"},
  {"name": "dep_delay", "type": ["null", "int"]}
]}"#;

const OUT: &str = r#"{"type": "record", "name": "s", "fields": [
  {"name": "probability", "type": "double"}
]}"#;

fn found_in(files: &MemoryFiles) -> Vec<String> {
    let checked = checked(files, &["pipelines/p.yaml"], Some(CheckLevel::Strict));
    let codes: Vec<bool> = checked
        .diagnostics
        .iter()
        .map(|found| {
            ["D05", "M07", "S02", "S01"]
                .iter()
                .any(|family| found.code.starts_with(family))
        })
        .collect();
    let shown = shown(&checked);
    let lines = shown.into_iter().zip(&checked.diagnostics).zip(codes);
    lines
        .filter(|(_, wanted)| *wanted)
        .map(|((line, found), _)| format!("{line} | {}", found.message))
        .collect()
}

fn found(input: &str, output: &str) -> Vec<String> {
    found_in(&project(TRAIN).with("in.avsc", input).with("out.avsc", output))
}

#[test]
fn a_schema_of_the_models_columns_is_right() {
    assert_eq!(found(IN, OUT), Vec::<String>::new());
    // What is wider than the column, and what the model does not want.
    let wider = IN
        .replace("\"int\"}", "[\"null\", \"double\"]}")
        .replace("[\n", "[\n  {\"name\": \"request_id\", \"type\": \"string\"},\n");
    assert_eq!(found(&wider, OUT), Vec::<String>::new());
}

#[test]
fn a_column_without_a_field_and_a_misspelt_field_are_told() {
    let without = IN.replace("  {\"name\": \"distance\", \"type\": \"int\"},\n", "");
    assert_eq!(
        found(&without, OUT),
        [
            "D05/input-schema 17:50 in.avsc | `train.model` learns from `distance`, and `in.avsc` has no such field"
        ]
    );
    assert_eq!(
        found(&IN.replace("\"distance\"", "\"distanc\""), OUT),
        ["D05/input-schema 17:50 in.avsc | `train.model` knows no column `distanc`, a field of `in.avsc`"]
    );
}

#[test]
fn a_type_that_avro_does_not_promote_to_is_told_and_mended() {
    let text = IN.replace(
        "\"distance\", \"type\": \"int\"",
        "\"distance\", \"type\": \"string\"",
    );
    assert_eq!(
        found(&text, OUT),
        ["D05/input-schema 17:50 in.avsc | `distance` of `train.model` is int16; `in.avsc` says string"]
    );
    let never = IN.replace("[\"null\", \"int\"]", "\"int\"");
    assert_eq!(
        found(&never, OUT),
        ["D05/input-schema 17:50 in.avsc | `dep_delay` of `train.model` may be missing; `in.avsc` says int"]
    );
    for broken in [text, never] {
        let files = project(TRAIN)
            .with("in.avsc", broken.as_str())
            .with("out.avsc", OUT);
        let checked = checked(&files, &["pipelines/p.yaml"], None);
        let fix = checked
            .diagnostics
            .iter()
            .find_map(|found| found.fix.clone())
            .unwrap();
        let mut mended = broken.clone();
        mended.replace_range(fix.span.start..fix.span.end, &fix.replacement);
        assert_eq!(found(&mended, OUT), Vec::<String>::new());
    }
}

#[test]
fn a_prediction_has_a_field() {
    assert_eq!(
        found(IN, &OUT.replace("probability", "propability")),
        ["D05/output-schema 17:74 out.avsc | no field of `out.avsc` takes what `train.model` predicts"]
    );
    assert_eq!(
        found(IN, &OUT.replace("probability", "label")),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_no_schema_is_told_where_it_stands() {
    assert_eq!(
        found(&IN.replace("\"string\"", "\"text\""), OUT),
        ["D05/invalid-schema 2:31 \"text\" | there is no type `text`"]
    );
    assert_eq!(
        found("\"string\"", OUT),
        ["D05/invalid-schema 1:1 \"string\" | `in.avsc` is no record"]
    );
}

#[test]
fn of_a_model_that_nobody_knows_the_fields_are_columns_of_its_tables() {
    let script = "\
version: 1
name: p
include: [../contracts/flights.yaml]
datasets: {flights: {path: data/flights.csv, contract: flights}}
steps:
  train:
    run: make
    inputs: {flights: flights}
    outputs: {model: {type: model, input_schema: in.avsc}}
";
    let found = |input: &str| found_in(&project(script).with("in.avsc", input));
    assert_eq!(found(IN), Vec::<String>::new());
    assert_eq!(
        found(&IN.replace("\"carrier\"", "\"airline\"")),
        ["D05/input-schema 9:50 in.avsc | `train.model` knows no column `airline`, a field of `in.avsc`"]
    );
}

fn stream(schema: &str) -> String {
    format!("version: 1\nname: requests\ntransport: {{type: rest}}\nschema: {schema}\n")
}

fn deployed(input: &str, output: &str) -> Vec<String> {
    deployed_as(&format!("{TRAIN}{DEPLOY}"), input, output)
}

fn deployed_as(pipeline: &str, input: &str, output: &str) -> Vec<String> {
    let files = project(pipeline)
        .with("in.avsc", IN)
        .with("out.avsc", OUT)
        .with("streams/in.yaml", stream("requests.avsc"))
        .with("requests.avsc", input)
        .with("streams/out.yaml", stream(output));
    found_in(&files)
}

#[test]
fn a_stream_carries_what_the_model_takes_and_gives() {
    assert_eq!(deployed(IN, "out.avsc"), Vec::<String>::new());
    let text = IN.replace(
        "\"distance\", \"type\": \"int\"",
        "\"distance\", \"type\": \"string\"",
    );
    assert_eq!(
        deployed(&text, "out.avsc"),
        [
            "D05/stream-schema 26:29 streams/in.yaml | `requests` does not carry what the model takes: `distance` is \
          string, and int is read"
        ]
    );
    let inline = r#"{"type": "record", "name": "s", "fields": [{"name": "probability", "type": "int"}]}"#;
    assert_eq!(
        deployed(IN, inline),
        [
            "D05/stream-schema 26:54 streams/out.yaml | `requests` does not carry what the model gives: `probability` \
          is double, and int is read"
        ]
    );
}

#[test]
fn streams_and_their_schemas_are_there_and_of_the_right_form() {
    let files = |descriptor: &str| {
        project(&format!("{TRAIN}{DEPLOY}"))
            .with("in.avsc", IN)
            .with("out.avsc", OUT)
            .with("streams/in.yaml", descriptor)
            .with("streams/out.yaml", stream("out.avsc"))
    };
    assert_eq!(
        found_in(&files(&stream("nothing.avsc"))),
        ["S02/missing-file 4:9 nothing.avsc | there is no file `nothing.avsc`"]
    );
    let unknown = found_in(&files(&stream("in.avsc").replace("rest", "rost")));
    assert!(unknown[0].starts_with("S01/"), "{unknown:?}");
    let missing = found_in(
        &project(&format!("{TRAIN}{DEPLOY}"))
            .with("in.avsc", IN)
            .with("out.avsc", OUT),
    );
    assert_eq!(missing.len(), 2, "{missing:?}");
    assert!(
        missing
            .iter()
            .all(|found| found.starts_with("S02/missing-file 26:")),
        "{missing:?}"
    );
}

/// A stream without `distance`: brought by nothing, by what it is made of, and by a feature view.
#[test]
fn a_feature_is_brought_by_the_stream_or_by_a_view_that_is_kept_online() {
    let without = IN
        .replace("\"int\"},", "\"int\", \"default\": 0},")
        .replace("  {\"name\": \"distance\"", "  {\"name\": \"other\"");
    let of = |store: &str, input: &str| {
        let pipeline = format!("{TRAIN}{DEPLOY}").replace(
            "      entity: [carrier]\n",
            &format!("      entity: [carrier]\n{store}"),
        );
        let found = deployed_as(&pipeline, input, "out.avsc");
        found
            .into_iter()
            .filter(|found| found.starts_with("M07"))
            .collect::<Vec<_>>()
    };
    let nothing = of("", &without);
    assert_eq!(
        nothing,
        [
            "M07/not-delivered 26:29 streams/in.yaml | the model learns from `distance`, and nothing brings it when the \
          model is asked"
        ]
    );
    let offline = of("      store: {feature_view: seen}\n", &without);
    assert_eq!(offline.len(), 1, "{offline:?}");
    let online = "      store: {feature_view: seen, online: true}\n";
    assert_eq!(of(online, &without), Vec::<String>::new());
    let keyless = of(online, &without.replace("\"carrier\"", "\"airline\""));
    assert_eq!(keyless.len(), 1, "{keyless:?}");
    assert!(
        keyless[0].contains("is looked up in the feature view `seen` by carrier"),
        "{keyless:?}"
    );
}
