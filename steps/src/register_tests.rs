use super::*;
use crate::evaluate::EvaluateClassifier;
use crate::testbed::{Bed, Ended};
use crate::train::TrainClassifier;
use polars::df;
use polars::prelude::DataFrame;
use trainyard_contract::{Objects, OutputValue};

const VERSION: &[(&str, ArtifactKind)] = &[("version", ArtifactKind::ModelVersion)];

fn rows(shift: i32) -> DataFrame {
    let hour: Vec<i16> = (0..300).map(|row| ((row * 7 + shift) % 24) as i16).collect();
    let carrier: Vec<&str> = (0..300)
        .map(|row| if (row + shift) % 3 == 0 { "A" } else { "B" })
        .collect();
    let late: Vec<bool> = hour
        .iter()
        .enumerate()
        .map(|(row, hour)| *hour > 14 || row % 10 == 0)
        .collect();
    df! {"hour" => hour, "carrier" => carrier, "late" => late}.unwrap()
}

/// A folder with a model and its evaluation.
fn bed() -> Bed {
    let mut bed = Bed::new().table("train", rows(0)).table("test", rows(5));
    let trained = bed
        .run(
            &TrainClassifier,
            json!({"algorithm": "decision_tree", "label": "late"}),
            &[("model", ArtifactKind::Model)],
        )
        .unwrap();
    take(&mut bed, &trained, "model");
    let outputs = [
        ("report", ArtifactKind::Report),
        ("metrics", ArtifactKind::Metrics),
    ];
    let with = json!({"gates": [{"metric": "roc_auc", "must_be_at_least": 0.5}]});
    let judged = bed.run(&EvaluateClassifier, with, &outputs).unwrap();
    take(&mut bed, &judged, "report");
    bed
}

fn take(bed: &mut Bed, ended: &Ended, output: &str) {
    let artifact = OutputValue::Artifact(Box::new(ended.artifact(output).clone()));
    bed.inputs.insert(output.to_owned(), TaskInput::Output(artifact));
}

fn draft(ended: &Ended) -> &ModelDraft {
    let [EffectRequest::RegisterModel(draft)] = ended.report.effects.as_slice() else {
        panic!("one effect")
    };
    draft
}

#[test]
fn one_version_is_asked_for_with_everything_that_belongs_to_it() {
    let bed = bed();
    let with = json!({"name": "flight_delay", "alias": "candidate", "tags": {"team": "ops"}});
    let ended = bed.run(&RegistryRegister, with.clone(), VERSION).unwrap();
    let draft = draft(&ended);
    assert_eq!(
        (draft.output.as_str(), draft.name.as_str()),
        ("version", "flight_delay")
    );
    assert_eq!(draft.alias.as_deref(), Some("candidate"));
    assert!(draft.metrics["roc_auc"] > 0.8);
    let roles: Vec<&str> = draft.attachments.keys().map(String::as_str).collect();
    assert_eq!(
        roles,
        ["bill_of_materials", "model_card", "model_card_text", "report"]
    );
    let objects = Objects::new(bed.folder.path().join("objects"));
    let json_of = |role: &str| -> Value {
        serde_json::from_slice(&objects.get(&draft.attachments[role].hash).unwrap()).unwrap()
    };
    let bill = json_of("bill_of_materials");
    assert_eq!(
        (bill["bomFormat"].as_str(), bill["specVersion"].as_str()),
        (Some("CycloneDX"), Some("1.6"))
    );
    assert_eq!(bill["metadata"]["component"]["type"], "machine-learning-model");
    assert_eq!(json_of("model_card")["evaluation"]["passed"], true);
    let text = objects.get(&draft.attachments["model_card_text"].hash).unwrap();
    assert!(String::from_utf8(text).unwrap().contains("| roc_auc | 0."));
    let again = bed.run(&RegistryRegister, with, VERSION).unwrap();
    assert_eq!(again.report.effects, ended.report.effects);
}

#[test]
fn the_signature_says_what_the_model_takes_in_avro_and_json_schema() {
    let ended = bed()
        .run(&RegistryRegister, json!({"name": "m"}), VERSION)
        .unwrap();
    let signature = &draft(&ended).signature;
    let fields = signature["avro"]["input"]["fields"].as_array().unwrap();
    let carrier = fields.iter().find(|field| field["name"] == "carrier").unwrap();
    let hour = fields.iter().find(|field| field["name"] == "hour").unwrap();
    assert_eq!(
        (&carrier["type"], &hour["type"]),
        (&json!(["null", "string"]), &json!(["null", "int"]))
    );
    assert_eq!(
        signature["json_schema"]["input"]["properties"]["hour"]["type"],
        json!(["integer", "null"])
    );
    assert_eq!(
        signature["json_schema"]["output"]["properties"]["class"]["enum"],
        json!(["false", "true"])
    );
}

#[test]
fn a_declared_schema_that_does_not_fit_is_refused() {
    let schema = r#"{"type": "record", "name": "r", "fields": [{"name": "hour", "type": "int"}]}"#;
    let bed = bed().file("schemas/in.avsc", schema);
    let with = json!({"name": "m", "input_schema": "schemas/in.avsc"});
    let error = bed.run(&RegistryRegister, with, VERSION).unwrap_err().to_string();
    assert!(error.contains("no field `carrier`"), "{error}");
    let missing = bed.run(
        &RegistryRegister,
        json!({"name": "m", "input_schema": "no.avsc"}),
        VERSION,
    );
    assert_eq!(missing.unwrap_err().to_string(), "there is no file `no.avsc`");
}

#[test]
fn names_that_the_registry_cannot_take_are_found_before_the_run() {
    let bed = bed();
    let findings = |with: Value| bed.infer(&RegistryRegister, with, VERSION).findings;
    assert_eq!(
        findings(json!({"name": "flight_delay", "alias": "candidate"})),
        []
    );
    let wrong = findings(json!({"name": "Flight Delay"}));
    assert_eq!(
        (wrong[0].code.as_str(), wrong[0].path.to_string().as_str()),
        ("S01", "with.name")
    );
    assert!(
        bed.run(&RegistryRegister, json!({"name": "../up"}), VERSION)
            .is_err()
    );
}

#[test]
fn what_is_no_model_is_not_registered() {
    let mut bed = bed();
    let hash = Objects::new(bed.folder.path().join("objects"))
        .put(b"pickle")
        .unwrap();
    let Some(TaskInput::Output(OutputValue::Artifact(artifact))) = bed.inputs.get_mut("model") else {
        panic!("model")
    };
    artifact.hash = hash;
    let error = bed
        .run(&RegistryRegister, json!({"name": "m"}), VERSION)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("not a model file"), "{error}");
}
