//! What boosting minimises.

use super::BoostingLoss;
use crate::error::ModelError;
use crate::task::Task;
use rayon::prelude::*;

/// Rows handled at a time by one thread.
const CHUNK: usize = 1 << 13;

/// Added to the logarithm of a count's hessian, so that steps stay safe (LightGBM's
/// `poisson_max_delta_step`).
const POISSON_SAFETY: f64 = 0.7;

/// A loss with its derivatives by the score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Objective {
    /// Logarithmic loss of a label 0 or 1; the score is the log odds.
    LogLoss,
    /// Logarithmic loss of this many classes; each has a score, and probabilities are in the
    /// proportion of their exponentials.
    Softmax(usize),
    /// Of a numeric label.
    Number(BoostingLoss),
}

/// The logistic function.
#[inline]
pub(crate) fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// `ln(1 + eˣ)` without overflow.
#[inline]
pub(crate) fn log1p_exp(x: f64) -> f64 {
    if x > 0.0 {
        x + (-x).exp().ln_1p()
    } else {
        x.exp().ln_1p()
    }
}

/// Turns scores into probabilities in the proportion of their exponentials.
pub(crate) fn softmax(scores: &mut [f64]) {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|score| *score = (*score - most).exp());
    let total: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= total);
}

/// The value below which a share `level` of the weight lies: of sorted values the first at which the
/// weight so far reaches the share, or half-way to the next if it meets it exactly. 0 of nothing.
pub(crate) fn weighted_quantile(values: &mut [(f64, f64)], level: f64) -> f64 {
    values.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
    let total: f64 = values.iter().map(|(_, weight)| weight).sum();
    let wanted = total * level;
    let mut so_far = 0.0;
    for (at, (value, weight)) in values.iter().enumerate() {
        so_far += weight;
        let exactly = (so_far - wanted).abs() <= total * 1e-12;
        if exactly && let Some((next, _)) = values.get(at + 1) {
            return value / 2.0 + next / 2.0;
        }
        if so_far >= wanted {
            return *value;
        }
    }
    values.last().map_or(0.0, |(value, _)| *value)
}

fn weighted_mean(values: &[f64], weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    let sum: f64 = values
        .iter()
        .zip(weights)
        .map(|(value, weight)| value * weight)
        .sum();
    sum / total
}

impl Objective {
    /// The loss of a task.
    pub(crate) fn of(task: &Task, loss: BoostingLoss) -> Self {
        match task {
            Task::Binary { .. } => Self::LogLoss,
            Task::Multiclass { classes } => Self::Softmax(classes.len()),
            Task::Regression | Task::Cluster => Self::Number(loss),
        }
    }

    /// Scores of a row.
    pub(crate) fn outputs(self) -> usize {
        match self {
            Self::Softmax(classes) => classes,
            Self::LogLoss | Self::Number(_) => 1,
        }
    }

    /// The quantile of the residuals that is the best value of a leaf, where the gradients do not
    /// tell it.
    pub(crate) fn renewed_by(self) -> Option<f64> {
        match self {
            Self::Number(BoostingLoss::AbsoluteError) => Some(0.5),
            Self::Number(BoostingLoss::Quantile { level }) => Some(level),
            _ => None,
        }
    }

    /// Refuses labels that the loss is not defined for.
    ///
    /// # Errors
    /// `LabelRange`.
    pub(crate) fn check(self, target: &[f64]) -> Result<(), ModelError> {
        let refuse = |allowed: fn(f64) -> bool, rule| match target.iter().position(|label| !allowed(*label)) {
            Some(row) => Err(ModelError::LabelRange {
                row,
                value: target[row],
                rule,
            }),
            None => Ok(()),
        };
        match self {
            Self::Number(BoostingLoss::Gamma) => refuse(|label| label > 0.0, "above 0 for the loss `gamma`"),
            Self::Number(BoostingLoss::Poisson | BoostingLoss::Tweedie { .. }) => refuse(
                |label| label >= 0.0,
                "at least 0 for the losses `poisson` and `tweedie`",
            ),
            _ => Ok(()),
        }
    }

    /// For each output the constant score with the least loss.
    pub(crate) fn base_scores(self, target: &[f64], weights: &[f64]) -> Vec<f64> {
        let quantile = |level| {
            let mut values: Vec<(f64, f64)> = target.iter().copied().zip(weights.iter().copied()).collect();
            weighted_quantile(&mut values, level)
        };
        vec![match self {
            Self::LogLoss => {
                let mean = weighted_mean(target, weights).clamp(1e-12, 1.0 - 1e-12);
                (mean / (1.0 - mean)).ln()
            }
            Self::Softmax(classes) => {
                let total: f64 = weights.iter().sum();
                let mut shares = vec![0.0; classes];
                for (class, weight) in target.iter().zip(weights) {
                    if let Some(share) = shares.get_mut(*class as usize) {
                        *share += weight / total;
                    }
                }
                return shares.iter().map(|share| share.max(1e-12).ln()).collect();
            }
            Self::Number(loss) => match loss {
                BoostingLoss::SquaredError | BoostingLoss::Huber { .. } => weighted_mean(target, weights),
                BoostingLoss::AbsoluteError => quantile(0.5),
                BoostingLoss::Quantile { level } => quantile(level),
                BoostingLoss::Poisson | BoostingLoss::Gamma | BoostingLoss::Tweedie { .. } => {
                    weighted_mean(target, weights).max(1e-12).ln()
                }
            },
        }]
    }

    /// What softmax divides by, as a logarithm, for each row; nothing for other losses.
    ///
    /// `scores`: by output, then by row.
    pub(crate) fn normalisers(self, scores: &[Vec<f64>], into: &mut Vec<f64>) {
        into.clear();
        if !matches!(self, Self::Softmax(_)) {
            return;
        }
        let rows = scores.first().map_or(0, Vec::len);
        (0..rows)
            .into_par_iter()
            .with_min_len(1_024)
            .map(|row| {
                let most = scores
                    .iter()
                    .map(|scores| scores[row])
                    .fold(f64::NEG_INFINITY, f64::max);
                most + scores
                    .iter()
                    .map(|scores| (scores[row] - most).exp())
                    .sum::<f64>()
                    .ln()
            })
            .collect_into_vec(into);
    }

    /// (gradient, hessian) of every row for output `output`, whose scores are `scores`.
    pub(crate) fn gradients(
        self,
        output: usize,
        scores: &[f64],
        normalisers: &[f64],
        target: &[f64],
        weights: &[f64],
        into: &mut [[f32; 2]],
    ) {
        into.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, into)| {
            let rows = chunk * CHUNK..chunk * CHUNK + into.len();
            let (scores, target, weights) = (
                &scores[rows.clone()],
                &target[rows.clone()],
                &weights[rows.clone()],
            );
            let rest = Known {
                scores,
                target,
                weights,
            };
            match self {
                Self::LogLoss => rest.fill(into, |score, target| {
                    let share = sigmoid(score);
                    (share - target, share * (1.0 - share))
                }),
                Self::Softmax(classes) => {
                    // One class is known where the others are (Friedman 2001), as in LightGBM.
                    let factor = classes as f64 / (classes as f64 - 1.0);
                    let normalisers = &normalisers[rows];
                    for (at, into) in into.iter_mut().enumerate() {
                        let share = (scores[at] - normalisers[at]).exp();
                        let own = f64::from(u8::from(target[at] == output as f64));
                        *into = [
                            ((share - own) * weights[at]) as f32,
                            (factor * share * (1.0 - share) * weights[at]) as f32,
                        ];
                    }
                }
                Self::Number(BoostingLoss::SquaredError) => {
                    rest.fill(into, |score, target| (score - target, 1.0))
                }
                Self::Number(loss) => rest.fill(into, |score, target| derivatives(loss, score, target)),
            }
        });
    }

    /// The mean loss, for squared error its root. Lower is better. Constants that do not depend on
    /// the scores are left out.
    ///
    /// `scores`: by output, then by row.
    pub(crate) fn metric(self, scores: &[Vec<f64>], target: &[f64], weights: &[f64]) -> f64 {
        let mean = weighted_mean_of(target, weights, |row| match self {
            Self::LogLoss => log1p_exp(scores[0][row]) - target[row] * scores[0][row],
            Self::Softmax(_) => {
                let of_row = || scores.iter().map(|scores| scores[row]);
                let most = of_row().fold(f64::NEG_INFINITY, f64::max);
                let own = scores.get(target[row] as usize).map_or(0.0, |scores| scores[row]);
                most + of_row().map(|score| (score - most).exp()).sum::<f64>().ln() - own
            }
            Self::Number(loss) => loss_of(loss, scores[0][row], target[row]),
        });
        match self {
            Self::Number(BoostingLoss::SquaredError) => mean.sqrt(),
            _ => mean,
        }
    }

    /// Turns the scores of rows, row by row, into what the model hands out: probabilities or values.
    pub(crate) fn hand_out(self, scores: &mut [f64]) {
        match self {
            Self::LogLoss => scores.iter_mut().for_each(|score| *score = sigmoid(*score)),
            Self::Softmax(classes) => scores.chunks_exact_mut(classes).for_each(softmax),
            Self::Number(BoostingLoss::Poisson | BoostingLoss::Gamma | BoostingLoss::Tweedie { .. }) => {
                scores.iter_mut().for_each(|score| *score = score.exp());
            }
            Self::Number(_) => {}
        }
    }
}

/// Some rows of equal length.
struct Known<'a> {
    scores: &'a [f64],
    target: &'a [f64],
    weights: &'a [f64],
}

impl Known<'_> {
    #[inline]
    fn fill(&self, into: &mut [[f32; 2]], derivatives: impl Fn(f64, f64) -> (f64, f64)) {
        let rows = self.scores.iter().zip(self.target).zip(self.weights);
        for (into, ((&score, &target), &weight)) in into.iter_mut().zip(rows) {
            let (first, second) = derivatives(score, target);
            *into = [(first * weight) as f32, (second * weight) as f32];
        }
    }
}

/// Weighted mean of `loss` over rows, summed in chunks of fixed size: the same whatever the threads.
pub(super) fn weighted_mean_of(target: &[f64], weights: &[f64], loss: impl Fn(usize) -> f64 + Sync) -> f64 {
    let parts: Vec<(f64, f64)> = (0..target.len().div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let rows = chunk * CHUNK..((chunk + 1) * CHUNK).min(target.len());
            rows.fold((0.0, 0.0), |sums, row| {
                (sums.0 + loss(row) * weights[row], sums.1 + weights[row])
            })
        })
        .collect();
    let (loss, weight) = parts
        .iter()
        .fold((0.0, 0.0), |sums, part| (sums.0 + part.0, sums.1 + part.1));
    loss / weight
}

/// First and second derivative by the score. Where the second is 0 everywhere, 1 stands for it.
fn derivatives(loss: BoostingLoss, score: f64, target: f64) -> (f64, f64) {
    let error = score - target;
    match loss {
        BoostingLoss::SquaredError => (error, 1.0),
        BoostingLoss::AbsoluteError => (if error >= 0.0 { 1.0 } else { -1.0 }, 1.0),
        BoostingLoss::Huber { delta } => (error.clamp(-delta, delta), 1.0),
        BoostingLoss::Quantile { level } => (if error >= 0.0 { 1.0 - level } else { -level }, 1.0),
        BoostingLoss::Poisson => (score.exp() - target, (score + POISSON_SAFETY).exp()),
        BoostingLoss::Gamma => {
            let ratio = target * (-score).exp();
            (1.0 - ratio, ratio)
        }
        BoostingLoss::Tweedie { power } => {
            let (low, high) = (((1.0 - power) * score).exp(), ((2.0 - power) * score).exp());
            (
                high - target * low,
                (2.0 - power) * high - (1.0 - power) * target * low,
            )
        }
    }
}

/// The loss of one row.
fn loss_of(loss: BoostingLoss, score: f64, target: f64) -> f64 {
    let error = score - target;
    match loss {
        BoostingLoss::SquaredError => error * error,
        BoostingLoss::AbsoluteError => error.abs(),
        BoostingLoss::Huber { delta } => {
            if error.abs() <= delta {
                0.5 * error * error
            } else {
                delta * (error.abs() - 0.5 * delta)
            }
        }
        BoostingLoss::Quantile { level } => {
            if error >= 0.0 {
                (1.0 - level) * error
            } else {
                -level * error
            }
        }
        BoostingLoss::Poisson => score.exp() - target * score,
        BoostingLoss::Gamma => target * (-score).exp() + score,
        BoostingLoss::Tweedie { power } => {
            ((2.0 - power) * score).exp() / (2.0 - power)
                - target * ((1.0 - power) * score).exp() / (1.0 - power)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOSSES: [BoostingLoss; 7] = [
        BoostingLoss::SquaredError,
        BoostingLoss::AbsoluteError,
        BoostingLoss::Huber { delta: 0.8 },
        BoostingLoss::Quantile { level: 0.9 },
        BoostingLoss::Poisson,
        BoostingLoss::Gamma,
        BoostingLoss::Tweedie { power: 1.4 },
    ];

    #[test]
    fn gradients_are_the_derivatives_of_the_loss() {
        // Central differences of step 1e-5.
        let step = 1e-5;
        for loss in LOSSES {
            let scale = if loss == BoostingLoss::SquaredError {
                0.5
            } else {
                1.0
            };
            for (score, target) in [(-1.0, 1.0), (0.3, 2.0), (1.5, 0.5)] {
                let of = |score: f64| loss_of(loss, score, target) * scale;
                let first = (of(score + step) - of(score - step)) / (2.0 * step);
                let (found, second) = derivatives(loss, score, target);
                assert!(
                    (found - first).abs() < 1e-5,
                    "{loss:?} at {score}: {found} is not {first}"
                );
                let gradient = |score: f64| derivatives(loss, score, target).0;
                let expected = (gradient(score + step) - gradient(score - step)) / (2.0 * step);
                match loss {
                    BoostingLoss::Gamma | BoostingLoss::Tweedie { .. } => {
                        assert!(
                            (second - expected).abs() < 1e-5,
                            "{loss:?}: {second} is not {expected}"
                        );
                    }
                    BoostingLoss::Poisson => {
                        assert!((second - expected * POISSON_SAFETY.exp()).abs() < 1e-5);
                    }
                    _ => assert_eq!(second, 1.0),
                }
            }
        }
    }

    #[test]
    fn gradients_of_classes_are_the_derivatives_of_the_log_loss() {
        let step = 1e-4;
        for objective in [Objective::LogLoss, Objective::Softmax(3)] {
            let scores: Vec<Vec<f64>> = [0.3, -1.2, 0.8]
                .iter()
                .take(objective.outputs())
                .map(|s| vec![*s])
                .collect();
            for output in 0..objective.outputs() {
                let target = [if objective == Objective::LogLoss { 1.0 } else { 2.0 }];
                let at = |shift: f64| {
                    let mut scores = scores.clone();
                    scores[output][0] += shift;
                    objective.metric(&scores, &target, &[1.0])
                };
                let first = (at(step) - at(-step)) / (2.0 * step);
                let second = (at(step) - 2.0 * at(0.0) + at(-step)) / (step * step);
                let (mut normalisers, mut found) = (Vec::new(), [[0.0; 2]]);
                objective.normalisers(&scores, &mut normalisers);
                objective.gradients(output, &scores[output], &normalisers, &target, &[1.0], &mut found);
                let factor = if objective == Objective::LogLoss { 1.0 } else { 1.5 };
                assert!((f64::from(found[0][0]) - first).abs() < 1e-5);
                assert!((f64::from(found[0][1]) - factor * second).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn the_constant_score_has_the_least_loss() {
        let target = [0.5, 3.0, 1.0, 8.0, 2.0];
        let weights = [1.0, 2.0, 1.0, 0.5, 1.0];
        for loss in LOSSES {
            let objective = Objective::Number(loss);
            if matches!(loss, BoostingLoss::Huber { .. }) {
                continue; // Starts from the mean, which is near.
            }
            let at = |score: f64| objective.metric(&[vec![score; 5]], &target, &weights);
            let base = objective.base_scores(&target, &weights)[0];
            for shift in [-0.3, -0.01, 0.01, 0.3] {
                assert!(at(base) <= at(base + shift) + 1e-12, "{loss:?}: {base}");
            }
        }
    }

    #[test]
    fn extreme_scores_stay_finite() {
        for score in [-800.0, 800.0] {
            assert!(
                Objective::LogLoss
                    .metric(&[vec![score]], &[0.0], &[1.0])
                    .is_finite()
            );
            assert!((0.0..=1.0).contains(&sigmoid(score)));
            let mut scores = [score, -score, 0.0];
            softmax(&mut scores);
            assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_weighted_quantile_is_that_of_repeated_values() {
        let of = |values: &[(f64, f64)], level| weighted_quantile(&mut values.to_vec(), level);
        assert_eq!(of(&[(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)], 0.5), 2.0);
        assert_eq!(of(&[(4.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0)], 0.5), 2.5);
        assert_eq!(of(&[(1.0, 1.0), (2.0, 3.0)], 0.5), 2.0);
        assert_eq!(of(&[(1.0, 1.0), (2.0, 1.0), (9.0, 1.0)], 0.9), 9.0);
    }
}
