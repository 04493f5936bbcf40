//! How much each feature adds to a prediction: SHAP values (Lundberg and Lee 2017), exact for trees
//! and linear models.
//!
//! For every row, [`Explanation::base`] and the values of all features add up to the prediction.
//! Trees are explained by the training rows that came by each node ([`Removal::PathDependent`],
//! Lundberg et al. 2020), or by putting in the values of background rows ([`Removal::Background`]);
//! linear models by background rows alone. Any other model is explained by asking it
//! ([`explain_by_asking`]). Values are those of the `shap` package; splits by category
//! and missing values, which it knows only in part, are explained like all others.

mod background;
mod explanation;
mod interactions;
mod layout;
mod linear;
mod path;
mod quadrature;
mod sampling;

pub use explanation::{Explanation, Interactions};
pub use sampling::explain_by_asking;

use crate::boosting::{BoostingLoss, Objective, sigmoid};
use crate::error::ModelError;
use crate::features::{Aligned, align};
use crate::frame::Frame;
use crate::model::{Body, Model, Predictor};
use crate::tree::{Cell, Tree};

/// What stands for a feature that is taken away.
#[derive(Clone, Copy, Debug)]
pub enum Removal<'a> {
    /// Both ways at its questions, weighted by the training rows that went there. Trees only.
    PathDependent,
    /// The values that these rows have, each as likely as the other: what the model would do if the
    /// feature were set (Janzing et al. 2020). Time grows with their number; some hundred serve.
    Background(&'a Frame),
}

/// In which unit predictions are explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// What the model adds up. For boosting these are log odds (two classes), scores before softmax
    /// (several), logarithms (losses of Poisson, gamma and Tweedie) or values; for logistic regression
    /// log odds; for forests and trees probabilities or values.
    Raw,
    /// What the model predicts, also where it is not what it adds up: the shares beside each background
    /// row are then taken as far as they move the prediction, as by shap's
    /// `model_output="probability"`. Needs [`Removal::Background`] there.
    Prediction,
}

/// Explains the prediction of every row of `frame`. The same whatever the number of threads.
///
/// # Errors
/// What [`Predictor::predict`] reports of both frames; `NoRows` for no background; `NotExplained` for
/// a model that is none of trees or a sum of columns, or a unit or removal that does not fit it.
pub fn explain(
    model: &Model,
    frame: &Frame,
    removal: Removal<'_>,
    unit: Unit,
) -> Result<Explanation, ModelError> {
    let names = model
        .features()
        .iter()
        .map(|feature| feature.name.clone())
        .collect();
    if let Body::Linear(body) = &model.body {
        return linear::explain(model, body, frame, removal, unit, names);
    }
    let ensemble = Ensemble::of(model, unit)?;
    let values = align(frame, model.features())?;
    match removal {
        Removal::PathDependent if ensemble.link != Link::Identity => Err(ModelError::NotExplained {
            why: "predictions that are not what its trees add up are explained by background rows",
        }),
        Removal::PathDependent => Ok(path::explain(&ensemble, &values, frame.rows(), names)),
        Removal::Background(background) => {
            if background.rows() == 0 {
                return Err(ModelError::NoRows {
                    doing: "compare with",
                });
            }
            let background = Rows {
                values: &align(background, model.features())?,
                count: background.rows(),
            };
            let rows = Rows {
                values: &values,
                count: frame.rows(),
            };
            background::explain(&ensemble, &rows, &background, names)
        }
    }
}

/// How pairs of features act together on the prediction of every row, path-dependent and in the raw
/// unit (Fujimoto et al. 2006, Lundberg et al. 2020): what a pair adds beyond its parts is halved
/// between its two orders; the diagonal is what a feature adds alone.
///
/// # Errors
/// As [`explain`].
pub fn interactions(model: &Model, frame: &Frame) -> Result<Interactions, ModelError> {
    let ensemble = Ensemble::of(model, Unit::Raw)?;
    let names: Vec<String> = model
        .features()
        .iter()
        .map(|feature| feature.name.clone())
        .collect();
    let values = align(frame, model.features())?;
    Ok(interactions::explain(&ensemble, &values, frame.rows(), names))
}

/// Rows in the model's features and codes.
struct Rows<'a> {
    values: &'a [Aligned<'a>],
    count: usize,
}

/// The cells of some rows side by side, row after row: a tree asks for them in any order.
fn cells(values: &[Aligned<'_>], rows: std::ops::Range<usize>) -> Vec<Cell> {
    rows.flat_map(|row| {
        values.iter().map(move |values| match values {
            Aligned::Numeric(values) => Cell::Number(values[row]),
            Aligned::Codes { codes, .. } => Cell::Code(codes[row]),
        })
    })
    .collect()
}

/// From what trees add up to what is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Identity,
    LogOdds,
    Logarithm,
}

impl Link {
    /// The prediction.
    fn inverse(self, sum: f64) -> f64 {
        match self {
            Self::Identity => sum,
            Self::LogOdds => sigmoid(sum),
            Self::Logarithm => sum.exp(),
        }
    }
}

/// A sum of trees.
struct Ensemble<'a> {
    parts: Vec<Part<'a>>,
    /// What the sum of each output starts from.
    base: Vec<f64>,
    features: usize,
    link: Link,
}

/// One tree of a sum.
struct Part<'a> {
    tree: &'a Tree,
    /// Output that the first number of a leaf adds to.
    output: usize,
    /// What numbers of leaves are multiplied by.
    scale: f64,
}

impl<'a> Ensemble<'a> {
    fn of(model: &'a Model, unit: Unit) -> Result<Self, ModelError> {
        let features = model.features().len();
        match &model.body {
            Body::Boosted(boosted) => {
                let outputs = boosted.base_scores.len();
                let link = match (unit, boosted.objective) {
                    (Unit::Raw, _) => Link::Identity,
                    (Unit::Prediction, Objective::LogLoss) => Link::LogOdds,
                    (
                        Unit::Prediction,
                        Objective::Number(
                            BoostingLoss::Poisson | BoostingLoss::Gamma | BoostingLoss::Tweedie { .. },
                        ),
                    ) => Link::Logarithm,
                    (Unit::Prediction, Objective::Number(_)) => Link::Identity,
                    (Unit::Prediction, Objective::Softmax(_)) => {
                        return Err(ModelError::NotExplained {
                            why: "boosting of several classes is explained in the raw unit",
                        });
                    }
                };
                Ok(Self {
                    parts: boosted
                        .trees
                        .iter()
                        .enumerate()
                        .map(|(nth, tree)| Part {
                            tree,
                            output: nth % outputs.max(1),
                            scale: 1.0,
                        })
                        .collect(),
                    base: boosted.base_scores.clone(),
                    features,
                    link,
                })
            }
            Body::Forest(forest) => Ok(Self {
                parts: forest
                    .trees
                    .iter()
                    .map(|tree| Part {
                        tree,
                        output: 0,
                        scale: 1.0 / forest.trees.len() as f64,
                    })
                    .collect(),
                base: vec![0.0; forest.outputs],
                features,
                link: Link::Identity,
            }),
            Body::Linear(_)
            | Body::NaiveBayes(_)
            | Body::Machines(_)
            | Body::Neighbours(_)
            | Body::Centers(_)
            | Body::Dbscan(_)
            | Body::Mixture(_)
            | Body::Calibrated(_) => Err(ModelError::NotExplained {
                why: "it has no trees; any model can be explained by asking it",
            }),
        }
    }

    fn outputs(&self) -> usize {
        self.base.len()
    }
}

#[cfg(test)]
mod tests;
