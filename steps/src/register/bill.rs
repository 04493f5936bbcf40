//! The bill of materials: a CycloneDX 1.6 document that names the model, its data and its maker.

use super::Subject;
use serde_json::{Value, json};
use trainyard_contract::ContentHash;
use trainyard_models::{FeatureKind, Predictor, Task};

/// The bill. It carries no time, so that the same model registered again gives the same bytes.
pub(super) fn bill_of_materials(subject: &Subject<'_>) -> Value {
    let model = subject.model;
    let hash = subject.artifact.hash.to_string();
    let reference = format!("model:{}@{hash}", subject.params.name);
    let data = format!("data:{}/{}", subject.pipeline, subject.step);
    let task = match model.label().task {
        Task::Binary { .. } | Task::Multiclass { .. } => "classification",
        Task::Regression => "regression",
        Task::Cluster => "clustering",
    };
    let approach = match model.label().task {
        Task::Cluster => "unsupervised",
        _ => "supervised",
    };
    let inputs: Vec<Value> = model
        .features()
        .iter()
        .map(|feature| {
            let kind = match feature.kind {
                FeatureKind::Numeric => "number",
                FeatureKind::Categorical { .. } => "category",
            };
            json!({"format": format!("{}: {kind}", feature.name)})
        })
        .collect();
    let metrics: Vec<Value> = subject
        .metrics
        .iter()
        .map(|(name, value)| json!({"type": name, "value": value.to_string(), "slice": "test"}))
        .collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial(&reference),
        "version": 1,
        "metadata": {
            "tools": {"components": [{
                "type": "application", "name": "trainyard", "version": env!("CARGO_PKG_VERSION"),
            }]},
            "component": {
                "type": "machine-learning-model",
                "bom-ref": reference,
                "name": subject.params.name,
                "version": hash,
                "description": subject.params.description.clone().unwrap_or_default(),
                "hashes": [{"alg": "BLAKE3", "content": hash}],
                "modelCard": {
                    "modelParameters": {
                        "approach": {"type": approach},
                        "task": task,
                        "modelArchitecture": model.algorithm().name(),
                        "datasets": [{"ref": data}],
                        "inputs": inputs,
                        "outputs": [{"format": format!("{}: {task}", model.label().name)}],
                    },
                    "quantitativeAnalysis": {"performanceMetrics": metrics},
                },
                "properties": [
                    {"name": "trainyard:pipeline", "value": subject.pipeline},
                    {"name": "trainyard:run", "value": subject.run},
                    {"name": "trainyard:training_rows", "value": model.summary().rows.to_string()},
                    {"name": "trainyard:seed", "value": model.summary().seed.to_string()},
                ],
            },
        },
        "components": [{
            "type": "data",
            "bom-ref": data,
            "name": format!("training rows of pipeline {}", subject.pipeline),
            "data": [{"type": "dataset", "name": format!("{} rows", model.summary().rows)}],
        }],
        "dependencies": [{"ref": reference, "dependsOn": [data]}],
    })
}

/// A UUID made from the content (version 8 of RFC 9562).
fn serial(of: &str) -> String {
    let hash = ContentHash::of(of.as_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_a_uuid_of_the_form_the_standard_demands() {
        let serial = serial("model:a@b");
        let parts: Vec<&str> = serial.trim_start_matches("urn:uuid:").split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(parts[2].starts_with('8') && "89ab".contains(&parts[3][..1]));
    }
}
