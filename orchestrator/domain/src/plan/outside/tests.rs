use super::*;
use crate::pipeline::BindRequest;
use crate::pipeline::fixture::{checked, project};
use crate::plan::{Missed, PlanFacts, Preparation, Source};
use crate::run::{Input, Instance, InstanceIx};
use std::sync::Arc;
use trainyard_contract::{ArtifactKind, ArtifactRef, ContentHash, Millis, Timestamp};

/// A world of which nothing is known: everything runs.
struct Nothing;

impl PlanFacts for Nothing {
    fn prepare(&mut self, _: &Run, _: InstanceIx) -> Preparation {
        let missed: Option<Missed> = None;
        Preparation::Run { key: None, missed }
    }

    fn content_now(&mut self, _: Source<'_>) -> Option<ContentHash> {
        None
    }

    fn content_before(&mut self, _: Source<'_>) -> Option<ContentHash> {
        None
    }

    fn data_note(&mut self, _: &str) -> Option<String> {
        None
    }

    fn durations(&mut self, _: &Instance) -> Vec<Millis> {
        Vec::new()
    }
}

fn writer(keep: &str) -> String {
    format!(
        "\
version: 1
name: writer
include: [../contracts/flights.yaml]
datasets: {{flights: {{path: data/flights.csv, contract: flights}}}}
steps:
  features:
    uses: features.build@v1
    inputs: {{flights: flights}}
    with: {{keep: [{keep}], store: {{feature_view: seen}}}}
    outputs: {{table: {{type: table}}}}
  train:
    uses: train.classifier@v1
    inputs: {{train: features.table}}
    outputs: {{model: {{type: model}}}}
  register:
    uses: registry.register@v1
    inputs: {{model: train.model}}
    with: {{name: late}}
"
    )
}

const READER: &str = "\
version: 1
name: reader
include: [../contracts/seen.yaml]
datasets: {seen: {path: data/flights.csv, contract: seen}}
steps:
  features:
    uses: features.build@v1
    inputs: {flights: seen}
    with: {keep: [distance]}
    outputs: {table: {type: table}}
  score:
    uses: evaluate.classifier@v1
    inputs: {model: \"registry:late@production\", test: features.table}
";

const SEEN: &str = "\
version: 1
name: seen
columns:
  carrier: {type: string, nullable: false}
  distance: {type: int16, nullable: false, unit: mile}
";

fn pipelines(keep: &str) -> Vec<Arc<Pipeline>> {
    let files = project(&writer(keep))
        .with("pipelines/reader.yaml", READER)
        .with("contracts/seen.yaml", SEEN);
    let checked = checked(&files, &["pipelines/p.yaml", "pipelines/reader.yaml"], None);
    assert!(!checked.has_errors(), "{:#?}", checked.diagnostics);
    checked.pipelines
}

/// A run that has made the features with these columns.
fn made(keep: &str) -> Run {
    let pipeline = pipelines(keep).remove(0);
    let definition = Arc::new(
        pipeline
            .bind(&BindRequest {
                environment: None,
                params: &BTreeMap::new(),
                trigger: serde_json::json!({"type": "manual"}),
                seed: 7,
            })
            .unwrap(),
    );
    let mut run = Run::new(crate::run::fixture::run_id(1), definition).unwrap();
    let by = "ada".to_owned();
    run.decide(Timestamp(0), Input::Start { by, select: None });
    let step = run.ready().next().unwrap();
    run.decide(Timestamp(0), Input::Launch { step, key: None });
    let Some(Shape::Table(schema)) = pipeline.shape("features", "table") else {
        panic!("no table");
    };
    let artifact = ArtifactRef {
        kind: ArtifactKind::Table,
        hash: ContentHash::of(keep.as_bytes()),
        size: 1,
        media_type: String::new(),
        rows: None,
        schema: Some(schema.clone()),
        summary: serde_json::Value::Null,
    };
    let outputs = [("table".to_owned(), OutputValue::Artifact(Box::new(artifact)))];
    let (metrics, resources) = Default::default();
    run.decide(
        Timestamp(0),
        Input::Succeeded {
            step,
            attempt: 1,
            outputs: outputs.into_iter().collect(),
            metrics,
            headline: None,
            resources,
        },
    );
    run
}

/// Effects of going from one list of columns to another.
fn effects(before: &str, now: &str, registered: &[RegisteredModel]) -> Vec<String> {
    let previous = made(before);
    let all = pipelines(now);
    let definition = all[0]
        .bind(&BindRequest {
            environment: None,
            params: &BTreeMap::new(),
            trigger: serde_json::json!({"type": "manual"}),
            seed: 7,
        })
        .unwrap();
    let plan = crate::plan::plan(Arc::new(definition), Some(&previous), None, &mut Nothing).unwrap();
    let effects = effects_outside(&plan, &all[0], Some(&previous), &all, registered);
    effects.iter().map(OutsideEffect::line).collect()
}

const NEW_VERSION: &str = "model late: a new version; read by pipeline reader";

#[test]
fn a_column_that_is_gone_is_told_to_those_who_read_it() {
    assert_eq!(
        effects("carrier, distance", "carrier", &[]),
        [
            "feature_view seen: `distance` is gone; read by pipeline reader  (breaks)",
            NEW_VERSION
        ]
    );
    // `carrier` is read by nobody else; the values of what is may be others.
    assert_eq!(
        effects("carrier, distance", "distance", &[]),
        [
            "feature_view seen: values may be others; read by pipeline reader",
            NEW_VERSION
        ]
    );
    assert_eq!(effects("distance", "distance", &[]), [NEW_VERSION]);
}

#[test]
fn a_registered_model_whose_input_is_gone_or_another_is_told() {
    let model = |inputs: &[(&str, Option<bool>)]| RegisteredModel {
        name: "late".to_owned(),
        aliases: vec!["production".to_owned()],
        version: 3,
        inputs: inputs
            .iter()
            .map(|(name, is)| ((*name).to_owned(), *is))
            .collect(),
    };
    let told = |inputs: &[(&str, Option<bool>)]| {
        let found = effects("distance", "distance", &[model(inputs)]);
        found
            .into_iter()
            .filter(|line| line != NEW_VERSION)
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&[("distance", Some(true))]), Vec::<String>::new());
    assert_eq!(told(&[("distance", None)]), Vec::<String>::new());
    assert_eq!(
        told(&[("carrier", Some(false)), ("distance", Some(false))]),
        ["model late@production (version 3): its input `carrier` is gone, `distance` is int16 now  (breaks)"]
    );
}
