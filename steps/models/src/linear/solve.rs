//! From rows to the weights of a linear model: which method serves which loss and penalty.

use super::coordinate::{Quadratic, elastic_net};
use super::loss::Loss;
use super::minimise::{self, Minimum};
use super::multinomial::Multinomial;
use super::newton::{self, Symmetric};
use super::objective::{Objective, Sample};
use super::proximal;
use crate::error::ModelError;
use crate::fit::{Flow, Progress};

/// With up to this many weights second derivatives are worth their size (its square) and work.
const MAX_NEWTON_WEIGHTS: usize = 600;
/// With up to this many weights coordinate descent holds all products of columns (128 MB).
const MAX_COORDINATE_WEIGHTS: usize = 4_096;
/// Sweeps over a quadratic model of the loss, at most.
const MODEL_SWEEPS: usize = 1_000;

/// What is added to the summed loss: `l1·Σ|w| + l2/2·Σw²`, over the weights without intercepts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Penalty {
    pub(crate) l1: f64,
    pub(crate) l2: f64,
}

/// How the search goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Search {
    pub(crate) penalty: Penalty,
    pub(crate) intercept: bool,
    /// Weights of at least 0 only (squared loss with `l1`).
    pub(crate) positive: bool,
    /// Largest entry of the mean loss's gradient, each in units of its curvature's root, at which
    /// the search ends; for squared loss with `l1` the duality gap in units of the target's squares.
    pub(crate) tolerance: f64,
    pub(crate) max_iterations: usize,
}

/// Weights and intercept of each output, and how the search went.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Solution {
    /// One line an output.
    pub(crate) weights: Vec<f64>,
    pub(crate) intercepts: Vec<f64>,
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
}

type Observe<'o> = &'o mut dyn FnMut(Progress<'_>) -> Flow;

fn told<'o>(observe: Observe<'o>, total: usize) -> impl FnMut(usize) -> Flow + 'o {
    move |done| observe(Progress::plain(done, total, "iterations"))
}

/// Fits one linear sum.
pub(crate) fn fit(
    sample: &Sample<'_>,
    loss: Loss,
    search: &Search,
    observe: Observe<'_>,
) -> Result<Solution, ModelError> {
    let width = sample.design.width;
    let mean = sample
        .target
        .iter()
        .zip(sample.weights)
        .map(|(target, weight)| target * (weight / sample.total))
        .sum::<f64>();
    let unit = Unit::of(loss, sample, mean, search.intercept)?;
    let target: Vec<f64> = sample
        .target
        .iter()
        .map(|target| (target - unit.shift) / unit.scale)
        .collect();
    let sample = Sample {
        target: &target,
        ..*sample
    };
    let loss = match loss {
        Loss::SquaredTube { epsilon } => Loss::SquaredTube {
            epsilon: epsilon / unit.scale,
        },
        other => other,
    };
    let l1 = search.penalty.l1 / sample.total * unit.l1;
    let l2 = search.penalty.l2 / sample.total * unit.l2;
    let objective = Objective {
        sample,
        loss,
        l2,
        intercept: search.intercept,
    };
    let minimum = if l1 > 0.0 || search.positive {
        match loss {
            Loss::Squared if width <= MAX_COORDINATE_WEIGHTS => {
                coordinate_descent(&objective, l1, search, observe)?
            }
            _ if search.positive => {
                return Err(ModelError::Parameter {
                    name: "positive",
                    value: format!("true with {width} columns"),
                    rule: "false with more than 4,096 columns",
                });
            }
            _ if width <= MAX_NEWTON_WEIGHTS => proximal_newton(&objective, l1, unit.start, search, observe)?,
            _ => smooth(&objective, l1, &unit, search, observe)?,
        }
    } else {
        smooth(&objective, 0.0, &unit, search, observe)?
    };
    let mut weights = minimum.at;
    let intercept = weights.pop().unwrap_or(0.0);
    // A logarithm's scale moves its intercept alone.
    let (factor, moved) = match loss {
        Loss::Squared | Loss::SquaredTube { .. } => (unit.scale, unit.shift),
        Loss::Logistic | Loss::SquaredHinge => (1.0, 0.0),
        Loss::Tweedie { .. } => (1.0, unit.scale.ln()),
    };
    weights.iter_mut().for_each(|weight| *weight *= factor);
    let intercept = if search.intercept {
        intercept * factor + moved
    } else {
        0.0
    };
    checked(Solution {
        weights,
        intercepts: vec![intercept],
        iterations: minimum.iterations,
        converged: minimum.converged,
    })
}

fn checked(solution: Solution) -> Result<Solution, ModelError> {
    let finite = |numbers: &[f64]| numbers.iter().all(|number| number.is_finite());
    if finite(&solution.weights) && finite(&solution.intercepts) {
        Ok(solution)
    } else {
        Err(ModelError::NotFinite {
            what: "weight",
            row: 0,
        })
    }
}

/// The units targets are brought to, so that one tolerance fits all: mean 0 and deviation 1 for
/// squared loss, mean 1 for Tweedie's family.
struct Unit {
    shift: f64,
    scale: f64,
    /// Factors of the penalties in these units.
    l1: f64,
    l2: f64,
    /// Where the intercept starts, and about how strongly the loss curves there.
    start: f64,
    curvature: f64,
}

impl Unit {
    fn of(loss: Loss, sample: &Sample<'_>, mean: f64, intercept: bool) -> Result<Self, ModelError> {
        match loss {
            Loss::Squared | Loss::SquaredTube { .. } => {
                let shift = if intercept { mean } else { 0.0 };
                let square = sample
                    .target
                    .iter()
                    .zip(sample.weights)
                    .map(|(target, weight)| (target - shift) * ((target - shift) * (weight / sample.total)))
                    .sum::<f64>();
                let scale = square.sqrt();
                let scale = if scale > 0.0 && scale.is_finite() {
                    scale
                } else {
                    1.0
                };
                Ok(Self {
                    shift,
                    scale,
                    l1: 1.0 / scale,
                    l2: 1.0,
                    start: 0.0,
                    curvature: 1.0,
                })
            }
            Loss::SquaredHinge => Ok(Self {
                shift: 0.0,
                scale: 1.0,
                l1: 1.0,
                l2: 1.0,
                start: 0.0,
                curvature: 1.0,
            }),
            Loss::Logistic => {
                let share = mean.clamp(1e-12, 1.0 - 1e-12);
                Ok(Self {
                    shift: 0.0,
                    scale: 1.0,
                    l1: 1.0,
                    l2: 1.0,
                    start: if intercept {
                        (share / (1.0 - share)).ln()
                    } else {
                        0.0
                    },
                    curvature: (share * (1.0 - share)).max(1e-3),
                })
            }
            Loss::Tweedie { power } => {
                if !(mean > 0.0 && mean.is_finite()) {
                    return Err(ModelError::Parameter {
                        name: "label",
                        value: format!("{mean} on average"),
                        rule: "above 0 on average",
                    });
                }
                // Without an intercept the logarithm's scale cannot be taken back.
                let scale = if intercept { mean } else { 1.0 };
                let factor = scale.powf(power - 2.0);
                Ok(Self {
                    shift: 0.0,
                    scale,
                    l1: factor,
                    l2: factor,
                    start: -mean_offset(sample),
                    curvature: 1.0,
                })
            }
        }
    }
}

fn mean_offset(sample: &Sample<'_>) -> f64 {
    sample.offset.map_or(0.0, |offset| {
        offset
            .iter()
            .zip(sample.weights)
            .map(|(offset, weight)| offset * (weight / sample.total))
            .sum()
    })
}

/// Newton's method for few weights, gradients for many. In units of each weight's own curvature,
/// rare categories converge as fast as common ones.
fn smooth(
    objective: &Objective<'_>,
    l1: f64,
    unit: &Unit,
    search: &Search,
    observe: Observe<'_>,
) -> Result<Minimum, ModelError> {
    let sample = &objective.sample;
    let width = sample.design.width;
    let units = units(sample, unit.curvature, objective.l2);
    let mut start = vec![0.0; width + 1];
    if search.intercept {
        start[width] = unit.start * units[width];
    }
    let in_units = |at: &[f64]| divide(at, &units);
    let function = |at: &[f64]| {
        let (value, gradient) = objective.value_and_gradient(&in_units(at));
        (value, in_units(&gradient))
    };
    let mut told = told(observe, search.max_iterations);
    let (tolerance, limit) = (search.tolerance, search.max_iterations);
    let found = if l1 > 0.0 {
        let l1: Vec<f64> = units[..width].iter().map(|unit| l1 / unit).chain([0.0]).collect();
        proximal::minimise(start, function, &l1, tolerance, limit, &mut told)
    } else if width <= MAX_NEWTON_WEIGHTS {
        let hessian = |at: &[f64]| {
            let mut matrix = objective.hessian(&in_units(at));
            for (line, unit) in matrix.entries.chunks_mut(units.len()).zip(&units) {
                line.iter_mut()
                    .zip(&units)
                    .for_each(|(entry, other)| *entry /= unit * other);
            }
            matrix
        };
        newton::minimise(start, function, hessian, tolerance, limit, &mut told)
    } else {
        minimise::minimise(start, function, tolerance, limit, &mut told)
    }
    .ok_or(ModelError::Stopped)?;
    Ok(Minimum {
        at: in_units(&found.at),
        ..found
    })
}

fn divide(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(left, right)| left / right).collect()
}

/// Root of each weight's curvature, if the loss curves by `curvature` everywhere; the intercept's last.
fn units(sample: &Sample<'_>, curvature: f64, l2: f64) -> Vec<f64> {
    sample
        .design
        .mean_squares(sample.weights, sample.total)
        .iter()
        .map(|square| square * curvature + l2)
        .chain([curvature])
        .map(|second| if second > 0.0 { second.sqrt() } else { 1.0 })
        .collect()
}

/// Lasso and elastic net: coordinate descent on the products of centred columns.
fn coordinate_descent(
    objective: &Objective<'_>,
    l1: f64,
    search: &Search,
    observe: Observe<'_>,
) -> Result<Minimum, ModelError> {
    let sample = &objective.sample;
    let width = sample.design.width;
    // At 0, second derivatives are the products of columns and the gradient −Xᵀy.
    let bare = Objective {
        l2: 0.0,
        intercept: true,
        ..*objective
    };
    let products = bare.hessian(&vec![0.0; width + 1]);
    let (half_square, gradient) = bare.value_and_gradient(&vec![0.0; width + 1]);
    let size = width + 1;
    let center = |row: usize| {
        if search.intercept {
            products.entries[row * size + width]
        } else {
            0.0
        }
    };
    let mean = if search.intercept { -gradient[width] } else { 0.0 };
    let mut matrix = Symmetric::zero(width);
    for row in 0..width {
        for column in row..width {
            matrix.entries[row * width + column] =
                products.entries[row * size + column] - center(row) * center(column);
        }
        // What rounding leaves of a constant column is not a direction.
        if matrix.entries[row * width + row] <= 1e-14 * products.entries[row * size + row] {
            matrix.entries[row * width + row] = 0.0;
        }
    }
    let linear = (0..width)
        .map(|row| -gradient[row] - center(row) * mean)
        .collect();
    let quadratic = Quadratic::new(matrix, linear, vec![l1; width], vec![objective.l2; width]);
    let square = (2.0 * half_square - mean * mean).max(0.0);
    let mut told = told(observe, search.max_iterations);
    let descent = elastic_net(
        &quadratic,
        square,
        search.tolerance,
        search.max_iterations,
        search.positive,
        |sweeps| told(sweeps) == Flow::GoOn,
    )
    .ok_or(ModelError::Stopped)?;
    let mut at = descent.at;
    let explained: f64 = (0..width).map(|row| center(row) * at[row]).sum();
    at.push(mean - explained);
    Ok(Minimum {
        at,
        iterations: descent.sweeps,
        converged: descent.converged,
    })
}

/// A loss that is not squared, with absolute values: its quadratic model at the present point is
/// minimised by coordinate descent, and the step shortened until the objective falls (Lee, Sun and
/// Saunders 2014; Yuan, Ho and Lin 2012).
fn proximal_newton(
    objective: &Objective<'_>,
    l1: f64,
    start: f64,
    search: &Search,
    observe: Observe<'_>,
) -> Result<Minimum, ModelError> {
    let width = objective.sample.design.width;
    let mut told = told(observe, search.max_iterations);
    let absolute: Vec<f64> = vec![l1; width].into_iter().chain([0.0]).collect();
    let penalised = |value: f64, at: &[f64]| value + l1 * at[..width].iter().map(|w| w.abs()).sum::<f64>();
    let mut at = vec![0.0; width + 1];
    if search.intercept {
        at[width] = start;
    }
    let (mut value, mut gradient) = objective.value_and_gradient(&at);
    for iteration in 0..search.max_iterations {
        if told(iteration) == Flow::Stop {
            return Err(ModelError::Stopped);
        }
        let hessian = objective.hessian(&at);
        let units: Vec<f64> = (0..=width)
            .map(|place| hessian.entries[place * (width + 1) + place])
            .map(|second| if second > 0.0 { second.sqrt() } else { 1.0 })
            .collect();
        let violation = proximal::violation(&at, &divide(&gradient, &units), &divide(&absolute, &units));
        if violation <= search.tolerance {
            return Ok(Minimum {
                at,
                iterations: iteration,
                converged: true,
            });
        }
        // The model's linear part: H·at − gradient.
        let mut quadratic = Quadratic::new(
            hessian,
            vec![0.0; width + 1],
            absolute.clone(),
            vec![0.0; width + 1],
        );
        let linear: Vec<f64> = quadratic
            .times(&at)
            .iter()
            .zip(&gradient)
            .map(|(product, gradient)| product - gradient)
            .collect();
        quadratic.set_linear(linear);
        let mut point = quadratic.point(at.clone());
        let fine = (0.1 * violation)
            .min(violation * violation)
            .max(0.1 * search.tolerance);
        let mut sweeps = 0;
        while sweeps < MODEL_SWEEPS {
            let (moved, done) = quadratic.sweep(&mut point, fine, false, MODEL_SWEEPS - sweeps);
            sweeps += done;
            if moved <= fine {
                break;
            }
        }
        let step: Vec<f64> = point.at.iter().zip(&at).map(|(new, old)| new - old).collect();
        let slope = crate::matrix::dot(&step, &gradient) + penalised(0.0, &point.at) - penalised(0.0, &at);
        let here = penalised(value, &at);
        let mut length = 1.0;
        let mut moved = None;
        for _ in 0..40 {
            let next: Vec<f64> = at
                .iter()
                .zip(&step)
                .map(|(at, step)| at + length * step)
                .collect();
            let (next_value, next_gradient) = objective.value_and_gradient(&next);
            if penalised(next_value, &next) <= here + 1e-4 * length * slope {
                moved = Some((next, next_value, next_gradient));
                break;
            }
            length *= 0.5;
        }
        // No step lowers the objective any more: as near as the arithmetic allows.
        let Some(next) = moved else {
            return Ok(Minimum {
                at,
                iterations: iteration,
                converged: true,
            });
        };
        (at, value, gradient) = next;
    }
    Ok(Minimum {
        at,
        iterations: search.max_iterations,
        converged: false,
    })
}

/// Fits one linear sum for each of several classes.
pub(crate) fn fit_classes(
    sample: &Sample<'_>,
    classes: usize,
    search: &Search,
    observe: Observe<'_>,
) -> Result<Solution, ModelError> {
    let width = sample.design.width;
    let line = width + 1;
    let (l1, l2) = (search.penalty.l1 / sample.total, search.penalty.l2 / sample.total);
    let objective = Multinomial {
        sample: *sample,
        classes,
        l2,
        intercept: search.intercept,
    };
    let mut shares = vec![0.0; classes];
    for (class, weight) in sample.target.iter().zip(sample.weights) {
        if let Some(share) = shares.get_mut(*class as usize) {
            *share += weight / sample.total;
        }
    }
    let logs: Vec<f64> = shares.iter().map(|share| share.max(1e-12).ln()).collect();
    let center = logs.iter().sum::<f64>() / classes as f64;
    let mut start = vec![0.0; classes * line];
    let mut all_units = Vec::with_capacity(classes * line);
    for class in 0..classes {
        let curvature = (shares[class] * (1.0 - shares[class])).max(1e-3);
        let units = units(sample, curvature, l2);
        if search.intercept {
            start[class * line + width] = (logs[class] - center) * units[width];
        }
        all_units.extend(units);
    }
    let in_units = |at: &[f64]| divide(at, &all_units);
    let function = |at: &[f64]| {
        let (value, gradient) = objective.value_and_gradient(&in_units(at));
        (value, in_units(&gradient))
    };
    let mut told = told(observe, search.max_iterations);
    let found = if l1 > 0.0 {
        let l1: Vec<f64> = all_units
            .iter()
            .enumerate()
            .map(|(at, unit)| if at % line == width { 0.0 } else { l1 / unit })
            .collect();
        proximal::minimise(
            start,
            function,
            &l1,
            search.tolerance,
            search.max_iterations,
            &mut told,
        )
    } else {
        minimise::minimise(
            start,
            function,
            search.tolerance,
            search.max_iterations,
            &mut told,
        )
    }
    .ok_or(ModelError::Stopped)?;
    let at = in_units(&found.at);
    let intercepts: Vec<f64> = at.chunks(line).map(|line| line[width]).collect();
    // Only differences between intercepts matter; they are given with mean 0.
    let center = intercepts.iter().sum::<f64>() / classes as f64;
    checked(Solution {
        weights: at.chunks(line).flat_map(|line| &line[..width]).copied().collect(),
        intercepts: intercepts.iter().map(|intercept| intercept - center).collect(),
        iterations: found.iterations,
        converged: found.converged,
    })
}

#[cfg(test)]
#[path = "solve_tests.rs"]
mod tests;
