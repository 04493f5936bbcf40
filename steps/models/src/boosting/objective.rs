//! What boosting minimises.

use crate::task::Task;
use rayon::prelude::*;

/// Rows handled at a time by one thread.
const CHUNK: usize = 1 << 13;

/// A loss with its derivatives by the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Objective {
    /// Logarithmic loss of a label 0 or 1; the score is the log odds.
    LogLoss,
    /// Half the squared error; the score is the value.
    SquaredError,
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

impl Objective {
    /// The loss of a task.
    pub(crate) fn of(task: &Task) -> Self {
        match task {
            Task::Binary { .. } | Task::Multiclass { .. } => Self::LogLoss,
            Task::Regression | Task::Cluster => Self::SquaredError,
        }
    }

    /// Turns scores, `outputs` a row, into what the model hands out.
    pub(crate) fn outputs(self, outputs: usize, scores: &mut [f64]) {
        if outputs == 1 {
            scores.iter_mut().for_each(|score| *score = self.output(*score));
        }
    }

    /// The constant score with the least loss.
    pub(crate) fn base_score(self, target: &[f64], weights: &[f64]) -> f64 {
        let total: f64 = weights.iter().sum();
        let mean = target
            .iter()
            .zip(weights)
            .map(|(target, weight)| target * weight)
            .sum::<f64>()
            / total;
        match self {
            Self::LogLoss => {
                let mean = mean.clamp(1e-12, 1.0 - 1e-12);
                (mean / (1.0 - mean)).ln()
            }
            Self::SquaredError => mean,
        }
    }

    /// (gradient, hessian) of every row.
    pub(crate) fn gradients(self, scores: &[f64], target: &[f64], weights: &[f64], into: &mut [[f32; 2]]) {
        into.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, into)| {
            let rows = chunk * CHUNK..chunk * CHUNK + into.len();
            let values = scores[rows.clone()]
                .iter()
                .zip(&target[rows.clone()])
                .zip(&weights[rows]);
            for (into, ((&score, &target), &weight)) in into.iter_mut().zip(values) {
                *into = match self {
                    Self::LogLoss => {
                        let share = sigmoid(score);
                        [
                            ((share - target) * weight) as f32,
                            (share * (1.0 - share) * weight) as f32,
                        ]
                    }
                    Self::SquaredError => [((score - target) * weight) as f32, weight as f32],
                };
            }
        });
    }

    /// The metric shown and used for early stopping: log loss, or the root of the mean squared
    /// error. Lower is better.
    pub(crate) fn metric(self, scores: &[f64], target: &[f64], weights: &[f64]) -> f64 {
        let parts: Vec<(f64, f64)> = scores
            .par_chunks(CHUNK)
            .enumerate()
            .map(|(chunk, scores)| {
                let rows = chunk * CHUNK..chunk * CHUNK + scores.len();
                let mut sums = (0.0, 0.0);
                for ((score, target), weight) in scores.iter().zip(&target[rows.clone()]).zip(&weights[rows])
                {
                    let loss = match self {
                        Self::LogLoss => log1p_exp(*score) - target * score,
                        Self::SquaredError => (score - target) * (score - target),
                    };
                    sums.0 += loss * weight;
                    sums.1 += weight;
                }
                sums
            })
            .collect();
        let (loss, weight) = parts
            .iter()
            .fold((0.0, 0.0), |sums, part| (sums.0 + part.0, sums.1 + part.1));
        let mean = loss / weight;
        match self {
            Self::LogLoss => mean,
            Self::SquaredError => mean.sqrt(),
        }
    }

    /// A score as the model hands it out: probability or value.
    #[inline]
    pub(crate) fn output(self, score: f64) -> f64 {
        match self {
            Self::LogLoss => sigmoid(score),
            Self::SquaredError => score,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_the_derivatives_of_the_loss() {
        // Central differences of step 1e-4.
        for (objective, scale) in [(Objective::LogLoss, 1.0), (Objective::SquaredError, 0.5)] {
            for (score, target) in [(-2.0, 1.0), (0.3, 0.0), (4.0, 1.0)] {
                let loss = |score: f64| {
                    let metric = objective.metric(&[score], &[target], &[1.0]);
                    if objective == Objective::LogLoss {
                        metric
                    } else {
                        metric * metric * scale
                    }
                };
                let step = 1e-4;
                let first = (loss(score + step) - loss(score - step)) / (2.0 * step);
                let second = (loss(score + step) - 2.0 * loss(score) + loss(score - step)) / (step * step);
                let mut found = [[0.0; 2]];
                objective.gradients(&[score], &[target], &[1.0], &mut found);
                assert!((f64::from(found[0][0]) - first).abs() < 1e-5);
                assert!((f64::from(found[0][1]) - second).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn extreme_scores_stay_finite() {
        for score in [-800.0, 800.0] {
            assert!(Objective::LogLoss.metric(&[score], &[0.0], &[1.0]).is_finite());
            assert!((0.0..=1.0).contains(&sigmoid(score)));
        }
    }
}
