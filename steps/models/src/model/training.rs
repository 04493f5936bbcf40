//! From rows to a model.

use super::{Fitted, Model, TrainingSummary};
use crate::algorithm::Algorithm;
use crate::bayes;
use crate::boosting;
use crate::calibration::Calibration;
use crate::cluster;
use crate::error::ModelError;
use crate::features::{Feature, align};
use crate::fit::{Fit, Flow, Progress, Rows};
use crate::forest;
use crate::frame::Frame;
use crate::linear;
use crate::neighbours;
use crate::preprocessing::{Encoding, Preprocessing};
use crate::svm;
use crate::task::{ClassWeight, Label, Task};

/// Everything a training needs. Same training, same bytes of the model, whatever `threads` is.
#[derive(Clone, Debug)]
pub struct Training<'a> {
    pub algorithm: Algorithm,
    /// Heeded by algorithms for which [`Algorithm::is_preprocessed`] holds.
    pub preprocessing: Preprocessing,
    pub label: Label,
    /// All columns are features.
    pub frame: &'a Frame,
    /// For two classes 0 or 1, for several the place of the class, from 0; else the value. Empty
    /// for clusters.
    pub target: &'a [f64],
    /// Weight of each row, at least 0; all 1 if absent.
    pub weights: Option<&'a [f64]>,
    pub class_weight: ClassWeight,
    /// Classes: how probabilities are calibrated, if they are. Class weights do not apply there, so
    /// that probabilities are shares of what happens.
    pub calibration: Option<Calibration>,
    /// Rows for early stopping, and for calibration if it asks for them: nothing else is learnt from
    /// them.
    pub valid: Option<ValidRows<'a>>,
    pub seed: u64,
    /// Threads to use; 0 takes those of the caller's thread pool.
    pub threads: usize,
}

/// Rows by which training is watched.
#[derive(Clone, Copy, Debug)]
pub struct ValidRows<'a> {
    pub frame: &'a Frame,
    pub target: &'a [f64],
    /// Weight of each row, at least 0; all 1 if absent. Class weights do not apply.
    pub weights: Option<&'a [f64]>,
}

/// Trains a model; `observe` hears how far it is and may stop it.
///
/// # Errors
/// What is wrong with the rows or parameters, or `Stopped`.
pub fn train(
    training: &Training<'_>,
    observe: &mut (dyn FnMut(Progress<'_>) -> Flow + Send),
) -> Result<Model, ModelError> {
    if training.threads == 0 {
        return train_here(training, observe);
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(training.threads)
        .build()
        .map_err(|_| ModelError::Threads)?
        .install(|| train_here(training, observe))
}

fn train_here(
    training: &Training<'_>,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Model, ModelError> {
    let model = train_alone(training, observe)?;
    match training.calibration {
        Some(calibration) => model.calibrated(training, calibration, observe),
        None => Ok(model),
    }
}

/// Without calibration.
pub(super) fn train_alone(
    training: &Training<'_>,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Model, ModelError> {
    let task = &training.label.task;
    check_task(task)?;
    check_rows(training.frame, training.target, task)?;
    let count = training.frame.rows().max(training.target.len());
    let mut weights = weights_of(training.weights, count)?;
    training.class_weight.apply(
        task,
        training.target,
        &mut weights,
        training.algorithm.is_forest(),
    )?;
    check_weights(&weights, training.target, task)?;
    let features = Feature::of(training.frame);
    if features.is_empty() {
        return Err(ModelError::NoFeatures);
    }
    let values = align(training.frame, &features)?;
    let fitted = if training.algorithm.is_preprocessed() {
        let asked = &training.preprocessing;
        Some(Encoding::fit(
            asked,
            &features,
            &values,
            task,
            training.target,
            count,
            training.seed,
        )?)
    } else {
        None
    };
    let rows = Rows {
        task,
        values: &values,
        design: fitted.as_ref().map(|(_, design)| design),
        encoding: fitted.as_ref().map(|(encoding, _)| encoding),
        target: training.target,
        weights: &weights,
        count,
    };
    let (mut valid_values, mut valid_weights) = (Vec::new(), Vec::new());
    let mut valid_target: &[f64] = &[];
    if let Some(valid) = &training.valid {
        check_rows(valid.frame, valid.target, task)?;
        valid_values = align(valid.frame, &features)?;
        valid_weights = weights_of(valid.weights, valid.frame.rows())?;
        valid_target = valid.target;
    }
    let valid = training.valid.map(|valid| Rows {
        values: &valid_values,
        design: None,
        target: valid_target,
        weights: &valid_weights,
        count: valid.frame.rows(),
        ..rows
    });
    let fit = fit(training, &features, &rows, valid.as_ref(), observe)?;
    let summary = TrainingSummary {
        rows: count as u64,
        valid_rows: valid.map_or(0, |valid| valid.count as u64),
        seed: training.seed,
        rounds: fit.rounds as u64,
        converged: fit.converged,
        valid_metric: fit.valid_metric,
        oob_score: fit.oob_score,
        measures: fit
            .measures
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    };
    Ok(Model {
        algorithm: training.algorithm.clone(),
        label: training.label.clone(),
        summary,
        preprocessing: fitted.map(|(encoding, _)| Fitted {
            asked: training.preprocessing.clone(),
            encoding,
        }),
        calibration: None,
        body: fit.body,
        features,
    })
}

fn fit(
    training: &Training<'_>,
    features: &[Feature],
    rows: &Rows<'_>,
    valid: Option<&Rows<'_>>,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Fit, ModelError> {
    let wrong_task = || ModelError::WrongTask {
        algorithm: training.algorithm.name(),
        task: rows.task.name(),
    };
    let seed = training.seed;
    let design = || rows.design.ok_or_else(wrong_task);
    match (&training.algorithm, rows.task) {
        (Algorithm::KMeans(params), Task::Cluster) => {
            cluster::fit_k_means(params, design()?, rows, seed, observe)
        }
        (Algorithm::Dbscan(params), Task::Cluster) => cluster::fit_dbscan(params, design()?, rows),
        (Algorithm::GaussianMixture(params), Task::Cluster) => {
            cluster::fit_mixture(params, design()?, rows, seed, observe)
        }
        (_, Task::Cluster)
        | (Algorithm::KMeans(_) | Algorithm::Dbscan(_) | Algorithm::GaussianMixture(_), _) => {
            Err(wrong_task())
        }
        (Algorithm::GradientBoosting(params), _) => {
            boosting::fit(params, features, rows, valid, seed, observe)
        }
        (Algorithm::RandomForest(params), _) => {
            forest::fit_forest(params, false, rows, &training.class_weight, seed, observe)
        }
        (Algorithm::ExtraTrees(params), _) => {
            forest::fit_forest(params, true, rows, &training.class_weight, seed, observe)
        }
        (Algorithm::DecisionTree(params), _) => forest::fit_tree(params, rows, seed),
        (Algorithm::LogisticRegression(params), Task::Binary { .. } | Task::Multiclass { .. })
        | (Algorithm::LinearRegression(params), Task::Regression) => {
            linear::fit_regression(params, design()?, rows, observe)
        }
        (Algorithm::Ridge(params), Task::Regression) => linear::fit_ridge(params, design()?, rows, observe),
        (Algorithm::Lasso(params), Task::Regression) => {
            linear::fit_elastic_net(&params.into(), design()?, rows, observe)
        }
        (Algorithm::ElasticNet(params), Task::Regression) => {
            linear::fit_elastic_net(params, design()?, rows, observe)
        }
        (Algorithm::GeneralizedLinear(params), Task::Regression) => {
            linear::fit_glm(params, training.frame, design()?, rows, observe)
        }
        (Algorithm::LinearSvm(params), _) => linear::fit_svm(params, design()?, rows, seed, observe),
        (Algorithm::Svm(params), _) => svm::fit(params, design()?, rows, seed, observe),
        (Algorithm::NearestNeighbors(params), _) => neighbours::fit(params, design()?, rows),
        (Algorithm::NaiveBayes(params), Task::Binary { .. } | Task::Multiclass { .. }) => {
            bayes::fit(params, rows)
        }
        (
            Algorithm::LogisticRegression(_)
            | Algorithm::LinearRegression(_)
            | Algorithm::Ridge(_)
            | Algorithm::Lasso(_)
            | Algorithm::ElasticNet(_)
            | Algorithm::GeneralizedLinear(_)
            | Algorithm::NaiveBayes(_),
            _,
        ) => Err(wrong_task()),
    }
}

fn check_task(task: &Task) -> Result<(), ModelError> {
    if let Task::Multiclass { classes } = task
        && classes.len() < 2
    {
        return Err(ModelError::OneClass);
    }
    Ok(())
}

fn check_rows(frame: &Frame, target: &[f64], task: &Task) -> Result<(), ModelError> {
    let labelled = *task != Task::Cluster;
    if (labelled && target.is_empty()) || (!labelled && frame.rows() == 0) {
        return Err(ModelError::NoRows { doing: "train on" });
    }
    if !frame.columns().is_empty() && target.len() != if labelled { frame.rows() } else { 0 } {
        return Err(ModelError::LengthMismatch {
            left_name: "the features",
            left: frame.rows(),
            right_name: "the label",
            right: target.len(),
        });
    }
    if u32::try_from(frame.rows()).is_err() {
        return Err(ModelError::Parameter {
            name: "rows",
            value: frame.rows().to_string(),
            rule: "fewer than 4,294,967,296",
        });
    }
    for (row, &value) in target.iter().enumerate() {
        match task {
            Task::Binary { .. } if value != 0.0 && value != 1.0 => {
                return Err(ModelError::NotBinary { row, value });
            }
            Task::Multiclass { classes }
                if !(value >= 0.0 && value.fract() == 0.0 && value < classes.len() as f64) =>
            {
                return Err(ModelError::NotAClass {
                    row,
                    value,
                    classes: classes.len(),
                });
            }
            Task::Regression if !value.is_finite() => {
                return Err(ModelError::NotFinite { what: "label", row });
            }
            _ => {}
        }
    }
    Ok(())
}

fn weights_of(given: Option<&[f64]>, rows: usize) -> Result<Vec<f64>, ModelError> {
    let Some(weights) = given else {
        return Ok(vec![1.0; rows]);
    };
    if weights.len() != rows {
        return Err(ModelError::LengthMismatch {
            left_name: "the weights",
            left: weights.len(),
            right_name: "the label",
            right: rows,
        });
    }
    if !weights.iter().all(|weight| *weight >= 0.0 && weight.is_finite()) {
        return Err(ModelError::Weights);
    }
    Ok(weights.to_vec())
}

fn check_weights(weights: &[f64], target: &[f64], task: &Task) -> Result<(), ModelError> {
    if weights.iter().all(|weight| *weight == 0.0) {
        return Err(ModelError::Weights);
    }
    if !task.classes().is_empty() {
        let mut counted = target
            .iter()
            .zip(weights)
            .filter(|(_, weight)| **weight > 0.0)
            .map(|(class, _)| *class);
        let first = counted.next();
        if counted.all(|class| Some(class) == first) {
            return Err(ModelError::OneClass);
        }
    }
    Ok(())
}
