//! What a linear sum is judged by.

use crate::boosting::{log1p_exp, sigmoid};

/// The loss of one row, as a function of its linear sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Loss {
    /// Half the squared error; the sum is the prediction.
    Squared,
    /// Log loss; the sum is the log odds of 1.
    Logistic,
    /// Half the unit deviance of Tweedie's family, up to what does not depend on the prediction; the
    /// sum is the prediction's logarithm. Variance is proportional to the mean to this power: 0
    /// normal, 1 Poisson, 2 gamma, 3 inverse Gaussian (Jørgensen 1987).
    Tweedie { power: f64 },
    /// Squared hinge: half the square of what the sum lacks to 1 for target 1, to −1 for target 0 (the
    /// primal problem of a linear support vector machine: Keerthi and DeCoste 2005).
    SquaredHinge,
    /// Half the square of the error beyond `epsilon`, within which it is free.
    SquaredTube { epsilon: f64 },
}

/// Loss of a row with its first and second derivative by the linear sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) value: f64,
    pub(crate) slope: f64,
    pub(crate) curvature: f64,
}

impl Loss {
    /// The loss at a sum. Where the loss is not convex (powers below 1 and above 2) the curvature is
    /// its expectation, so that every Newton step goes down.
    #[inline]
    pub(crate) fn at(self, sum: f64, target: f64) -> At {
        match self {
            Self::Squared => {
                let error = sum - target;
                At {
                    value: 0.5 * error * error,
                    slope: error,
                    curvature: 1.0,
                }
            }
            Self::Logistic => {
                let share = sigmoid(sum);
                At {
                    value: log1p_exp(sum) - target * sum,
                    slope: share - target,
                    curvature: share * (1.0 - share),
                }
            }
            Self::SquaredHinge => {
                let side = if target > 0.5 { 1.0 } else { -1.0 };
                let lack = (1.0 - side * sum).max(0.0);
                At {
                    value: 0.5 * lack * lack,
                    slope: -side * lack,
                    curvature: f64::from(u8::from(lack > 0.0)),
                }
            }
            Self::SquaredTube { epsilon } => {
                let error = sum - target;
                let beyond = (error.abs() - epsilon).max(0.0);
                At {
                    value: 0.5 * beyond * beyond,
                    slope: beyond * error.signum(),
                    curvature: f64::from(u8::from(beyond > 0.0)),
                }
            }
            Self::Tweedie { power: 1.0 } => {
                let mean = sum.exp();
                At {
                    value: mean - target * sum,
                    slope: mean - target,
                    curvature: mean,
                }
            }
            Self::Tweedie { power: 2.0 } => {
                let ratio = target * (-sum).exp();
                At {
                    value: sum + ratio,
                    slope: 1.0 - ratio,
                    curvature: ratio,
                }
            }
            Self::Tweedie { power } => {
                let (first, second) = (((1.0 - power) * sum).exp(), ((2.0 - power) * sum).exp());
                At {
                    value: second / (2.0 - power) - target * first / (1.0 - power),
                    slope: second - target * first,
                    curvature: if (1.0..=2.0).contains(&power) {
                        (2.0 - power) * second + (power - 1.0) * target * first
                    } else {
                        second
                    },
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_and_curvatures_are_the_derivatives() {
        let losses = [
            (Loss::Squared, 1.3),
            (Loss::Logistic, 1.0),
            (Loss::Logistic, 0.0),
            (Loss::Tweedie { power: 1.0 }, 3.0),
            (Loss::Tweedie { power: 1.5 }, 3.0),
            (Loss::Tweedie { power: 2.0 }, 3.0),
            (Loss::SquaredHinge, 1.0),
            (Loss::SquaredHinge, 0.0),
            (Loss::SquaredTube { epsilon: 0.5 }, 0.3),
        ];
        let step = 1e-5;
        for (loss, target) in losses {
            for sum in [-1.5, 0.2, 2.0] {
                let (low, here, high) = (
                    loss.at(sum - step, target),
                    loss.at(sum, target),
                    loss.at(sum + step, target),
                );
                let slope = (high.value - low.value) / (2.0 * step);
                let curvature = (high.slope - low.slope) / (2.0 * step);
                assert!(
                    (here.slope - slope).abs() < 1e-6 * (1.0 + slope.abs()),
                    "{loss:?}"
                );
                assert!((here.curvature - curvature).abs() < 1e-6 * (1.0 + curvature.abs()));
            }
        }
        for power in [0.0, 3.0] {
            let loss = Loss::Tweedie { power };
            let slope = (loss.at(0.4 + step, 2.0).value - loss.at(0.4 - step, 2.0).value) / (2.0 * step);
            assert!((loss.at(0.4, 2.0).slope - slope).abs() < 1e-6);
        }
    }
}
