//! What a training step hands on: the model.

use crate::register::avro;
use serde_json::json;
use trainyard_contract::{ArtifactKind, StepError, StepIo};
use trainyard_models::{Model, Predictor};

/// Least probability of a positive decision where nothing else is said.
pub(crate) const DEFAULT_THRESHOLD: f64 = 0.5;

/// Keeps the model as the output `output`, checked against the Avro schemas that are declared for it.
///
/// # Errors
/// `Rejected` if it does not fit them, `IoError`.
pub(crate) fn keep_model(io: &mut StepIo, output: &str, model: &Model) -> Result<(), StepError> {
    if let Some(declared) = io.spec().outputs.get(output).cloned() {
        let project = io.spec().project.clone();
        if let Some(path) = &declared.input_schema {
            avro::Record::read(&project, path)?.takes_features(model.features())?;
        }
        if let Some(path) = &declared.output_schema {
            avro::Record::read(&project, path)?.takes_predictions(model.label())?;
        }
    }
    let bytes = model
        .to_bytes()
        .map_err(|error| StepError::internal(error.to_string()))?;
    let summary = json!({
        "algorithm": model.algorithm().name(),
        "features": model.features().len(),
        "label": model.label().name,
    });
    let artifact = io.keep_bytes(ArtifactKind::Model, Model::MEDIA_TYPE, &bytes, summary)?;
    io.output(output, artifact);
    Ok(())
}

/// A model in a few words.
pub(crate) fn described(model: &Model) -> String {
    let name = model.algorithm().name();
    match model.trees() {
        0 => format!("{name}, {} features", model.features().len()),
        1 => format!(
            "{name}, {} features, depth {}",
            model.features().len(),
            model.depth()
        ),
        trees => format!("{name}, {} features, {trees} trees", model.features().len()),
    }
}
