//! From rows and parameters to linear models.

use super::loss::Loss;
use super::objective::Sample;
use super::solve::{self, Penalty, Search, Solution};
use super::{ElasticNetParams, Family, GlmParams, Linear, LinearParams, LinearSvmParams, Link, RidgeParams};
use crate::calibration::{Calibrated, out_of_fold};
use crate::error::ModelError;
use crate::features::Aligned;
use crate::fit::{Fit, Flow, Progress, Rows};
use crate::frame::Frame;
use crate::model::Body;
use crate::preprocessing::Design;
use crate::task::Task;

type Observe<'o> = &'o mut dyn FnMut(Progress<'_>) -> Flow;

fn sample<'a>(design: &'a Design, rows: &Rows<'a>) -> Sample<'a> {
    Sample {
        design,
        target: rows.target,
        weights: rows.weights,
        total: rows.weights.iter().sum(),
        offset: None,
    }
}

fn fitted(link: Link, exposure: Option<u32>, found: Solution) -> Fit {
    Fit {
        rounds: found.iterations,
        converged: found.converged,
        ..Fit::direct(Body::Linear(Linear {
            link,
            intercepts: found.intercepts,
            weights: found.weights,
            exposure,
        }))
    }
}

/// Logistic regression of two or more classes, or linear regression of a number.
pub(crate) fn fit_regression(
    params: &LinearParams,
    design: &Design,
    rows: &Rows<'_>,
    observe: Observe<'_>,
) -> Result<Fit, ModelError> {
    params.check()?;
    let search = Search {
        penalty: Penalty {
            l1: params.l1,
            l2: params.l2,
        },
        intercept: params.fit_intercept,
        positive: false,
        tolerance: params.tolerance,
        max_iterations: params.max_iterations,
    };
    let sample = sample(design, rows);
    match rows.task {
        Task::Multiclass { classes } => {
            let found = solve::fit_classes(&sample, classes.len(), &search, observe)?;
            Ok(fitted(Link::Softmax, None, found))
        }
        Task::Binary { .. } => {
            let found = solve::fit(&sample, Loss::Logistic, &search, observe)?;
            Ok(fitted(Link::Logit, None, found))
        }
        Task::Regression | Task::Cluster => {
            let found = solve::fit(&sample, Loss::Squared, &search, observe)?;
            Ok(fitted(Link::Identity, None, found))
        }
    }
}

/// Ridge regression.
pub(crate) fn fit_ridge(
    params: &RidgeParams,
    design: &Design,
    rows: &Rows<'_>,
    observe: Observe<'_>,
) -> Result<Fit, ModelError> {
    fit_regression(&params.as_linear()?, design, rows, observe)
}

/// The elastic net; the lasso is one of its borders.
pub(crate) fn fit_elastic_net(
    params: &ElasticNetParams,
    design: &Design,
    rows: &Rows<'_>,
    observe: Observe<'_>,
) -> Result<Fit, ModelError> {
    params.check()?;
    let sample = sample(design, rows);
    let alpha = params.alpha * sample.total;
    let search = Search {
        penalty: Penalty {
            l1: alpha * params.l1_ratio,
            l2: alpha * (1.0 - params.l1_ratio),
        },
        intercept: params.fit_intercept,
        positive: params.positive,
        tolerance: params.tolerance,
        max_iterations: params.max_iterations,
    };
    let found = solve::fit(&sample, Loss::Squared, &search, observe)?;
    let kept = found.weights.iter().filter(|weight| **weight != 0.0).count();
    Ok(Fit {
        measures: vec![("nonzero_weights", kept as f64)],
        ..fitted(Link::Identity, None, found)
    })
}

/// Generalised linear models; the columns of `frame` are the features.
pub(crate) fn fit_glm(
    params: &GlmParams,
    frame: &Frame,
    design: &Design,
    rows: &Rows<'_>,
    observe: Observe<'_>,
) -> Result<Fit, ModelError> {
    params.check()?;
    let (loss, least) = match params.family {
        Family::Normal => (Loss::Squared, None),
        Family::LogNormalMean => (Loss::Tweedie { power: 0.0 }, None),
        Family::Poisson => (Loss::Tweedie { power: 1.0 }, Some("at least 0")),
        Family::Tweedie(power) => (Loss::Tweedie { power }, Some("at least 0")),
        Family::Gamma => (Loss::Tweedie { power: 2.0 }, Some("above 0")),
        Family::InverseGaussian => (Loss::Tweedie { power: 3.0 }, Some("above 0")),
    };
    if let Some(rule) = least {
        let refused = |value: f64| value < 0.0 || (value == 0.0 && rule == "above 0");
        if let Some(row) = rows.target.iter().position(|value| refused(*value)) {
            return Err(ModelError::Target {
                row,
                value: rows.target[row],
                rule,
            });
        }
    }
    let exposure = match &params.exposure {
        None => None,
        Some(name) => Some(exposure(name, frame, rows)?),
    };
    let bare;
    let design = match &exposure {
        Some((feature, _)) => {
            let places = rows.encoding.and_then(|encoding| encoding.places().nth(*feature));
            bare = design.without(&places.unwrap_or_default());
            &bare
        }
        None => design,
    };
    let sample = Sample {
        offset: exposure.as_ref().map(|(_, logs)| logs.as_slice()),
        ..sample(design, rows)
    };
    let search = Search {
        penalty: Penalty {
            l1: 0.0,
            l2: params.alpha * sample.total,
        },
        intercept: params.fit_intercept,
        positive: false,
        tolerance: params.tolerance,
        max_iterations: params.max_iterations,
    };
    let found = solve::fit(&sample, loss, &search, observe)?;
    let link = if loss == Loss::Squared {
        Link::Identity
    } else {
        Link::Log
    };
    Ok(fitted(link, exposure.map(|(feature, _)| feature as u32), found))
}

/// Place of the exposure among the features, and the logarithm of each row's.
fn exposure(name: &str, frame: &Frame, rows: &Rows<'_>) -> Result<(usize, Vec<f64>), ModelError> {
    let feature = frame
        .columns()
        .iter()
        .position(|column| column.name == name)
        .ok_or_else(|| ModelError::MissingColumn {
            column: name.to_owned(),
        })?;
    let Some(Aligned::Numeric(values)) = rows.values.get(feature) else {
        return Err(ModelError::ColumnType {
            column: name.to_owned(),
            expected: "numbers",
            found: "categories",
        });
    };
    match values
        .iter()
        .position(|value| !(*value > 0.0 && value.is_finite()))
    {
        Some(row) => Err(ModelError::Exposure {
            column: name.to_owned(),
            row,
            value: values[row],
        }),
        None => Ok((feature, values.iter().map(|value| value.ln()).collect())),
    }
}

/// Linear support vector machines.
pub(crate) fn fit_svm(
    params: &LinearSvmParams,
    design: &Design,
    rows: &Rows<'_>,
    seed: u64,
    observe: Observe<'_>,
) -> Result<Fit, ModelError> {
    params.check()?;
    let search = Search {
        penalty: Penalty {
            // Half squares are summed, whole ones are meant.
            l1: 0.0,
            l2: 0.5 / params.c,
        },
        intercept: params.fit_intercept,
        positive: false,
        tolerance: params.tolerance,
        max_iterations: params.max_iterations,
    };
    let whole = sample(design, rows);
    if *rows.task == Task::Regression {
        let loss = Loss::SquaredTube {
            epsilon: params.epsilon,
        };
        let found = solve::fit(&whole, loss, &search, observe)?;
        return Ok(fitted(Link::Identity, None, found));
    }
    let outputs = rows.task.outputs();
    let mut scores_of = |weights: &[f64]| -> Result<(Solution, Vec<f64>), ModelError> {
        let found = fit_sides(&whole, weights, outputs, &search, &mut *observe)?;
        let mut scores = vec![0.0; outputs * design.rows];
        let mut sums = vec![0.0; design.rows];
        for output in 0..outputs {
            sums.fill(found.intercepts[output]);
            let line = &found.weights[output * design.width..(output + 1) * design.width];
            design.times(line, 0, &mut sums);
            for (row, sum) in sums.iter().enumerate() {
                scores[row * outputs + output] = *sum;
            }
        }
        Ok((found, scores))
    };
    let scores = out_of_fold(rows.target, rows.weights, outputs, seed, |weights| {
        scores_of(weights).map(|(_, scores)| scores)
    })?;
    let (found, _) = scores_of(rows.weights)?;
    let fit = fitted(Link::Identity, None, found);
    Ok(Fit {
        body: Calibrated::platt(fit.body, &scores, rows.target, rows.weights, outputs)?,
        ..fit
    })
}

/// One linear sum for two classes; for several one for each against the others.
fn fit_sides(
    sample: &Sample<'_>,
    weights: &[f64],
    outputs: usize,
    search: &Search,
    observe: Observe<'_>,
) -> Result<Solution, ModelError> {
    let mut all = Solution {
        weights: Vec::new(),
        intercepts: Vec::new(),
        iterations: 0,
        converged: true,
    };
    for output in 0..outputs {
        let side: Vec<f64> = sample
            .target
            .iter()
            .map(|class| f64::from(u8::from(*class == if outputs == 1 { 1.0 } else { output as f64 })))
            .collect();
        let sample = Sample {
            target: &side,
            weights,
            total: weights.iter().sum(),
            ..*sample
        };
        let found = solve::fit(&sample, Loss::SquaredHinge, search, &mut *observe)?;
        all.weights.extend(found.weights);
        all.intercepts.extend(found.intercepts);
        all.iterations += found.iterations;
        all.converged &= found.converged;
    }
    Ok(all)
}
