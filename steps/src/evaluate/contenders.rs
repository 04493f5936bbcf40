//! The models that stand for comparison, and the columns all of them need.

use crate::train::columns::Roles;
use crate::train::rows::{self, refused};
use polars::prelude::DataFrame;
use trainyard_contract::task::TaskInput;
use trainyard_contract::{ArtifactRef, OutputValue, StepError, StepIo};
use trainyard_models::{Frame, Model, Predictor};

/// A model artifact, read and checked.
pub(crate) fn read_model(io: &StepIo, artifact: &ArtifactRef) -> Result<Model, StepError> {
    Model::from_bytes(&io.read(&artifact.hash)?).map_err(|error| refused(&error))
}

/// The columns of the test table that some model or slice needs.
pub(crate) struct Columns {
    pub(crate) roles: Roles,
    pub(crate) further: Vec<String>,
}

impl Columns {
    pub(crate) fn of(model: &Model) -> Self {
        let features = model
            .features()
            .iter()
            .map(|feature| feature.name.clone())
            .collect();
        let roles = Roles {
            label: Some(model.label().name.clone()),
            features,
            passed_over: Vec::new(),
        };
        Self {
            roles,
            further: Vec::new(),
        }
    }

    pub(crate) fn also(&mut self, model: &Model) {
        self.further
            .extend(model.features().iter().map(|feature| feature.name.clone()));
    }
}

/// The labelled rows with the features of every model, as far as the table has them.
pub(crate) fn whole_frame(
    rows: &DataFrame,
    columns: &Columns,
    labelled: &[usize],
) -> Result<Frame, StepError> {
    let mut names = columns.roles.features.clone();
    for name in &columns.further {
        if !names.contains(name)
            && rows
                .column(name)
                .is_ok_and(|column| rows::can_be_learnt_from(column.dtype()))
        {
            names.push(name.clone());
        }
    }
    let frame = rows::features(rows, &names)?;
    if labelled.len() == rows.height() {
        Ok(frame)
    } else {
        frame.take(labelled).map_err(|error| refused(&error))
    }
}

/// The model at input `champion`, if there is one, under the name it is shown by.
pub(crate) fn champion(io: &StepIo) -> Result<Option<(String, Model)>, StepError> {
    let name = match io.input("champion") {
        Some(TaskInput::Registered { name, version, .. }) => format!("champion {name} version {version}"),
        _ => "champion".to_owned(),
    };
    match io.artifact("champion")?.cloned() {
        None => Ok(None),
        Some(artifact) => Ok(Some((name, read_model(io, &artifact)?))),
    }
}

/// The models at input `baselines`, under the names they are shown by.
pub(crate) fn baselines(io: &StepIo) -> Result<Vec<(String, Model)>, StepError> {
    let mut models = Vec::new();
    match io.input("baselines") {
        None | Some(TaskInput::Absent) => {}
        Some(TaskInput::Collected(cells)) => {
            for (matrix, value) in cells.clone() {
                let cell: Vec<String> = matrix
                    .iter()
                    .map(|(key, value)| {
                        format!(
                            "{key}={}",
                            value.as_str().map_or(value.to_string(), str::to_owned)
                        )
                    })
                    .collect();
                let OutputValue::Artifact(artifact) = value else {
                    return Err(StepError::rejected(
                        "input `baselines` has something that is no model",
                    ));
                };
                models.push((
                    format!("baseline {}", cell.join(", ")),
                    read_model(io, &artifact)?,
                ));
            }
        }
        Some(_) => {
            if let Some(artifact) = io.artifact("baselines")?.cloned() {
                models.push(("baseline".to_owned(), read_model(io, &artifact)?));
            }
        }
    }
    Ok(models)
}
