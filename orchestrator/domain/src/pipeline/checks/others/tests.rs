use crate::pipeline::fixture::{FLIGHTS, checked, project};
use crate::pipeline::{CheckLevel, files::memory::MemoryFiles};

/// A pipeline that makes features under the name of a contract.
const WRITER: &str = "\
version: 1
name: writer
include: [../contracts/flights.yaml, ../contracts/made.yaml]
datasets: {flights: {path: data/flights.csv, contract: flights}}
steps:
  features:
    uses: features.build@v1
    inputs: {flights: flights}
    with: {keep: [carrier]}
    outputs: {table: {type: table, contract: seen}}
";

/// One that reads what has the name.
const READER: &str = "\
version: 1
name: reader
include: [../contracts/seen.yaml]
datasets: {seen: {path: data/seen.csv, contract: seen}}
steps:
  print: {run: cat, inputs: {seen: seen}}
";

fn contract(columns: &str) -> String {
    format!("version: 1\nname: seen\ncolumns:\n{columns}")
}

fn found(files: &MemoryFiles, entries: &[&str]) -> Vec<String> {
    let checked = checked(files, entries, Some(CheckLevel::Strict));
    let of_others = checked
        .diagnostics
        .iter()
        .filter(|found| found.code.starts_with("D04"));
    let shown = of_others.map(|found| {
        let file = |span: crate::diagnostic::Span| {
            let file = checked.sources.file(span.file).unwrap();
            format!("{}:{}", file.name, file.line_column(span.start).0)
        };
        let also: Vec<String> = found.secondary.iter().map(|label| file(label.span)).collect();
        let place = file(found.primary.span);
        format!("{} {place} [{}]: {}", found.code, also.join(" "), found.message)
    });
    shown.collect()
}

fn two(made: &str, seen: &str) -> Vec<String> {
    let files = project(WRITER)
        .with("pipelines/reader.yaml", READER)
        .with("data/seen.csv", "carrier\n")
        .with("contracts/made.yaml", contract(made))
        .with("contracts/seen.yaml", contract(seen));
    found(&files, &["pipelines/p.yaml", "pipelines/reader.yaml"])
}

const CARRIER: &str = "  carrier: {type: string, nullable: false}\n";

#[test]
fn a_column_that_another_pipeline_reads_and_nobody_makes_is_told_with_both_places() {
    assert_eq!(
        two(CARRIER, &format!("{CARRIER}  score: {{type: float64}}\n")),
        [
            "D04/breaks-readers pipelines/p.yaml:10 [pipelines/reader.yaml:4 contracts/seen.yaml:5]: \
          `features.table` of pipeline `writer` has no column `score`, which pipeline `reader` reads"
        ]
    );
    assert_eq!(two(CARRIER, CARRIER), Vec::<String>::new());
}

#[test]
fn a_type_that_does_not_fit_and_a_value_that_may_be_missing_break_readers() {
    let types = two(CARRIER, "  carrier: {type: int16}\n");
    assert!(
        types[0].contains("is string, and pipeline `reader` reads it as int16"),
        "{types:?}"
    );
    let keep = WRITER.replace("[carrier]", "[dep_delay]");
    let files = project(&keep)
        .with("pipelines/reader.yaml", READER)
        .with("data/seen.csv", "carrier\n")
        .with("contracts/made.yaml", contract("  dep_delay: {type: int16}\n"))
        .with(
            "contracts/seen.yaml",
            contract("  dep_delay: {type: int32, nullable: false}\n"),
        );
    let missing = found(&files, &["pipelines/p.yaml", "pipelines/reader.yaml"]);
    // int16 fits into int32.
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(missing[0].contains("may be missing"), "{missing:?}");
}

#[test]
fn columns_that_the_other_pipeline_does_not_read_may_go() {
    let reader = "\
version: 1
name: reader
include: [../contracts/seen.yaml]
datasets: {seen: {path: data/flights.csv, contract: seen}}
steps:
  features:
    uses: features.build@v1
    inputs: {flights: seen}
    with: {keep: [carrier]}
    outputs: {table: {type: table}}
  print: {run: cat, inputs: {seen: features.table}}
";
    let files = project(WRITER)
        .with("pipelines/reader.yaml", reader)
        .with("contracts/made.yaml", contract(CARRIER))
        .with(
            "contracts/seen.yaml",
            contract(&format!("{CARRIER}  score: {{type: float64}}\n")),
        );
    assert_eq!(
        found(&files, &["pipelines/p.yaml", "pipelines/reader.yaml"]),
        Vec::<String>::new()
    );
}

#[test]
fn a_feature_view_is_met_by_its_name() {
    let writer = WRITER
        .replace(
            "with: {keep: [carrier]}",
            "with: {keep: [carrier], store: {feature_view: seen}}",
        )
        .replace(", contract: seen", "");
    let files = project(&writer)
        .with("pipelines/reader.yaml", READER)
        .with("data/seen.csv", "carrier\n")
        .with("contracts/made.yaml", contract(CARRIER))
        .with(
            "contracts/seen.yaml",
            contract(&format!("{CARRIER}  score: {{type: float64}}\n")),
        );
    let found = found(&files, &["pipelines/p.yaml", "pipelines/reader.yaml"]);
    assert!(
        found[0].starts_with("D04/breaks-readers pipelines/p.yaml:9"),
        "{found:?}"
    );
}

#[test]
fn contracts_of_the_same_file_do_not_contradict_each_other() {
    let other = "\
version: 1
name: other
include: [../contracts/old.yaml]
datasets: {flights: {path: ./data/flights.csv, contract: old}}
steps:
  print: {run: cat, inputs: {flights: flights}}
";
    let reader = "\
version: 1
name: p
include: [../contracts/flights.yaml]
datasets: {flights: {path: data/flights.csv, contract: flights}}
steps:
  print: {run: cat, inputs: {flights: flights}}
";
    let old = FLIGHTS.replace("name: flights", "name: old");
    let check = |old: &str| {
        let files = project(reader)
            .with("pipelines/other.yaml", other)
            .with("contracts/old.yaml", old);
        found(&files, &["pipelines/other.yaml", "pipelines/p.yaml"])
    };
    assert_eq!(check(&old), Vec::<String>::new());
    assert_eq!(
        check(&old.replace("unit: mile", "unit: kilometer")),
        [
            "D04/same-data-differs contracts/flights.yaml:9 [contracts/old.yaml:9]: `distance` of \
          `data/flights.csv` is in mile here and in kilometer in the contract by which pipeline `other` reads it"
        ]
    );
}

#[test]
fn a_model_taken_from_the_registry_finds_its_columns() {
    let writer = "\
version: 1
name: p
include: [../contracts/flights.yaml]
datasets: {flights: {path: data/flights.csv, contract: flights}}
steps:
  features:
    uses: features.build@v1
    inputs: {flights: flights}
    with: {keep: [carrier, distance]}
    outputs: {table: {type: table}}
  train:
    uses: train.classifier@v1
    inputs: {train: features.table}
    outputs: {model: {type: model}}
  register:
    uses: registry.register@v1
    inputs: {model: train.model}
    with: {name: late}
";
    let reader = |keep: &str| {
        format!(
            "\
version: 1
name: reader
include: [../contracts/flights.yaml]
datasets: {{flights: {{path: data/flights.csv, contract: flights}}}}
steps:
  features:
    uses: features.build@v1
    inputs: {{flights: flights}}
    with: {{keep: [{keep}]}}
    outputs: {{table: {{type: table}}}}
  score:
    uses: evaluate.classifier@v1
    inputs: {{model: \"registry:late@production\", test: features.table}}
"
        )
    };
    let check = |keep: &str| {
        let files = project(writer).with("pipelines/reader.yaml", reader(keep));
        found(&files, &["pipelines/p.yaml", "pipelines/reader.yaml"])
    };
    assert_eq!(check("carrier, distance"), Vec::<String>::new());
    assert_eq!(
        check("carrier"),
        [
            "D04/model-input pipelines/p.yaml:18 [pipelines/reader.yaml:13]: the model `late` wants columns that \
          pipeline `reader` does not give it: `distance` is missing"
        ]
    );
}
