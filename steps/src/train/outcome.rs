//! What a training step hands on: the model, and numbers about it.

use super::data::Examples;
use super::rows::refused;
use super::scores::Metric;
use crate::register::avro;
use serde_json::{Map, Value, json};
use trainyard_contract::{ArtifactKind, StepError, StepIo};
use trainyard_models::metrics::{mean_absolute_error, r2, root_mean_squared_error};
use trainyard_models::{Model, Predictions, Predictor, Task};

/// Least probability of a positive decision where nothing else is said.
pub(crate) const DEFAULT_THRESHOLD: f64 = 0.5;

/// Numbers of a model on rows with labels, by name with `prefix` before it. A metric that these
/// rows do not define (one class only) is left out.
///
/// # Errors
/// `Rejected` if the model cannot predict these rows.
pub(crate) fn measure(
    model: &Model,
    examples: &Examples,
    prefix: &str,
) -> Result<Map<String, Value>, StepError> {
    let predictions = model
        .predict(&examples.frame)
        .and_then(Predictions::into_numbers)
        .map_err(|error| refused(&error))?;
    let target = &examples.target;
    let mut numbers = Map::new();
    let mut add = |name: &str, value: f64| {
        numbers.insert(format!("{prefix}{name}"), json!(value));
    };
    match model.label().task {
        Task::Binary { .. } => {
            for metric in Metric::ALL {
                if let Ok(value) = metric.of(&predictions, target, DEFAULT_THRESHOLD) {
                    add(metric.name(), value);
                }
            }
            add("positive_share", examples.positive_share());
        }
        Task::Multiclass { .. } | Task::Cluster => {}
        Task::Regression => {
            let numbers = [
                ("rmse", root_mean_squared_error(&predictions, target)),
                ("mae", mean_absolute_error(&predictions, target)),
                ("r2", r2(&predictions, target)),
            ];
            for (name, value) in numbers {
                if let Ok(value) = value {
                    add(name, value);
                }
            }
        }
    }
    add("rows", examples.count() as f64);
    Ok(numbers)
}

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
