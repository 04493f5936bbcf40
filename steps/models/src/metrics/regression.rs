//! How far predicted numbers are off.

use super::quantile::weighted_quantile;
use super::weights::Weights;
use crate::error::ModelError;

/// Predicted and true numbers, checked once. All metrics are weighted means over rows unless said
/// otherwise; units are those of the label.
#[derive(Clone, Copy, Debug)]
pub struct Regression<'a> {
    pub(super) predictions: &'a [f64],
    pub(super) target: &'a [f64],
    pub(super) weights: Weights<'a>,
}

impl<'a> Regression<'a> {
    /// Rows that count the same.
    ///
    /// # Errors
    /// `NoRows`, `LengthMismatch`, `NotFinite`.
    pub fn new(predictions: &'a [f64], target: &'a [f64]) -> Result<Self, ModelError> {
        Self::weighted(predictions, target, Weights::Equal)
    }

    /// Rows with weights.
    ///
    /// # Errors
    /// As [`Regression::new`]; `Weights` for wrong weights.
    pub fn weighted(
        predictions: &'a [f64],
        target: &'a [f64],
        weights: Weights<'a>,
    ) -> Result<Self, ModelError> {
        check(predictions, target)?;
        weights.check(target.len())?;
        Ok(Self {
            predictions,
            target,
            weights,
        })
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.predictions.iter().copied().zip(self.target.iter().copied())
    }

    fn mean(&self, term: impl Fn(f64, f64) -> f64) -> f64 {
        self.weights.mean(self.pairs().map(|(p, t)| term(p, t)))
    }

    /// Mean squared error, in the squared unit.
    pub fn mean_squared_error(&self) -> f64 {
        self.mean(|p, t| (p - t) * (p - t))
    }

    /// Root of the mean squared error.
    pub fn root_mean_squared_error(&self) -> f64 {
        self.mean_squared_error().sqrt()
    }

    /// Mean absolute error.
    pub fn mean_absolute_error(&self) -> f64 {
        self.mean(|p, t| (p - t).abs())
    }

    /// Median of absolute errors, weighted.
    pub fn median_absolute_error(&self) -> f64 {
        let errors: Vec<f64> = self.pairs().map(|(p, t)| (p - t).abs()).collect();
        weighted_quantile(&errors, self.weights, 0.5)
    }

    /// Largest absolute error among rows with weight.
    pub fn max_error(&self) -> f64 {
        self.pairs()
            .enumerate()
            .filter(|(row, _)| self.weights.of(*row) > 0.0)
            .fold(0.0, |most: f64, (_, (p, t))| most.max((p - t).abs()))
    }

    /// Mean absolute error as a share of the label, 1 for 100 %. A label nearer to 0 than 2⁻⁵² counts
    /// as that, so that the result stays finite, as in scikit-learn.
    pub fn mean_absolute_percentage_error(&self) -> f64 {
        self.mean(|p, t| (p - t).abs() / t.abs().max(f64::EPSILON))
    }

    /// Mean of `2·|p − t| / (|p| + |t|)`, from 0 to 2 (Makridakis 1993); 0 where both are 0.
    pub fn symmetric_mean_absolute_percentage_error(&self) -> f64 {
        self.mean(|p, t| {
            let sum = p.abs() + t.abs();
            if sum > 0.0 { 2.0 * (p - t).abs() / sum } else { 0.0 }
        })
    }

    /// Mean squared difference of `ln(1 + value)`.
    ///
    /// # Errors
    /// `OutOfDomain` for a number of −1 or less.
    pub fn mean_squared_log_error(&self) -> Result<f64, ModelError> {
        self.check_domain("a number above −1", |p, t| p > -1.0 && t > -1.0)?;
        Ok(self.mean(|p, t| {
            let error = p.ln_1p() - t.ln_1p();
            error * error
        }))
    }

    /// Root of [`Regression::mean_squared_log_error`].
    ///
    /// # Errors
    /// The same.
    pub fn root_mean_squared_log_error(&self) -> Result<f64, ModelError> {
        self.mean_squared_log_error().map(f64::sqrt)
    }

    /// Share of the label's variance that is explained: 1 is perfect, 0 no better than the mean. For
    /// a constant label 1 if every prediction is right, else 0, as scikit-learn has it; the same for a
    /// single row, where scikit-learn has no value.
    pub fn r2(&self) -> f64 {
        let mean = self.mean(|_, t| t);
        explained(
            self.mean_squared_error(),
            self.mean(|_, t| (t - mean) * (t - mean)),
        )
    }

    /// R² that pays for the number of features (Theil 1961): `1 − (1 − R²)(n − 1)/(n − features − 1)`,
    /// n being the rows with weight.
    ///
    /// # Errors
    /// `NoRows` unless there are at least two rows more than features.
    pub fn adjusted_r2(&self, features: usize) -> Result<f64, ModelError> {
        let rows = (0..self.target.len()).filter(|row| self.weights.of(*row) > 0.0);
        let rows = rows.count();
        if rows < features + 2 {
            return Err(ModelError::NoRows {
                doing: "adjust R² for the number of features",
            });
        }
        Ok(1.0 - (1.0 - self.r2()) * (rows - 1) as f64 / (rows - features - 1) as f64)
    }

    /// As R², but a constant error costs nothing: 1 − variance of the error / variance of the label.
    pub fn explained_variance(&self) -> f64 {
        let (error, mean) = (self.mean(|p, t| t - p), self.mean(|_, t| t));
        explained(
            self.mean(|p, t| (t - p - error) * (t - p - error)),
            self.mean(|_, t| (t - mean) * (t - mean)),
        )
    }

    /// Mean pinball loss of predictions of the quantile `alpha` (Koenker and Bassett 1978): an error
    /// below the label costs `alpha` a unit, one above it `1 − alpha`.
    ///
    /// # Errors
    /// `Parameter` unless `alpha` is from 0 to 1.
    pub fn mean_pinball_loss(&self, alpha: f64) -> Result<f64, ModelError> {
        check_alpha(alpha)?;
        Ok(self.mean(|p, t| pinball(alpha, p, t)))
    }

    /// Share of the absolute error of the label's median that is saved: D² with the absolute error.
    pub fn d2_absolute_error(&self) -> f64 {
        self.d2_of_quantile(0.5)
    }

    /// Share of the pinball loss of the label's own quantile that is saved.
    ///
    /// # Errors
    /// `Parameter` unless `alpha` is from 0 to 1.
    pub fn d2_pinball(&self, alpha: f64) -> Result<f64, ModelError> {
        check_alpha(alpha)?;
        Ok(self.d2_of_quantile(alpha))
    }

    fn d2_of_quantile(&self, alpha: f64) -> f64 {
        let constant = weighted_quantile(self.target, self.weights, alpha);
        explained(
            self.mean(|p, t| pinball(alpha, p, t)),
            self.mean(|_, t| pinball(alpha, constant, t)),
        )
    }

    /// Mean deviance of the Tweedie family (Jørgensen 1987): `power` 0 is the squared error, 1
    /// Poisson's deviance, 2 that of gamma, 3 that of inverse Gauss.
    ///
    /// # Errors
    /// `OutOfDomain` where the family has no such label or prediction; `Parameter` for a power that is
    /// not finite or lies between 0 and 1.
    pub fn mean_tweedie_deviance(&self, power: f64) -> Result<f64, ModelError> {
        check_power(power)?;
        if power < 0.0 {
            self.check_domain("a prediction above 0", |p, _| p > 0.0)?;
        } else if (1.0..2.0).contains(&power) {
            self.check_domain("a label of at least 0 and a prediction above 0", |p, t| {
                p > 0.0 && t >= 0.0
            })?;
        } else if power >= 2.0 {
            self.check_domain("a label and a prediction above 0", |p, t| p > 0.0 && t > 0.0)?;
        }
        Ok(self.mean(|p, t| deviance(power, p, t)))
    }

    /// Mean Poisson deviance; see [`Regression::mean_tweedie_deviance`].
    ///
    /// # Errors
    /// The same.
    pub fn mean_poisson_deviance(&self) -> Result<f64, ModelError> {
        self.mean_tweedie_deviance(1.0)
    }

    /// Mean gamma deviance; see [`Regression::mean_tweedie_deviance`].
    ///
    /// # Errors
    /// The same.
    pub fn mean_gamma_deviance(&self) -> Result<f64, ModelError> {
        self.mean_tweedie_deviance(2.0)
    }

    /// Share of the deviance of the label's mean that is saved.
    ///
    /// # Errors
    /// As [`Regression::mean_tweedie_deviance`].
    pub fn d2_tweedie(&self, power: f64) -> Result<f64, ModelError> {
        let found = self.mean_tweedie_deviance(power)?;
        let mean = self.mean(|_, t| t);
        Ok(explained(found, self.mean(|_, t| deviance(power, mean, t))))
    }

    fn check_domain(&self, rule: &'static str, fits: impl Fn(f64, f64) -> bool) -> Result<(), ModelError> {
        match self.pairs().position(|(p, t)| !fits(p, t)) {
            None => Ok(()),
            Some(row) => Err(ModelError::OutOfDomain { row, rule }),
        }
    }
}

/// 1 − loss / loss of the constant; a constant without loss leaves nothing to explain.
fn explained(loss: f64, of_constant: f64) -> f64 {
    if of_constant > 0.0 {
        1.0 - loss / of_constant
    } else {
        f64::from(u8::from(loss == 0.0))
    }
}

fn pinball(alpha: f64, prediction: f64, target: f64) -> f64 {
    let error = target - prediction;
    if error >= 0.0 {
        alpha * error
    } else {
        (alpha - 1.0) * error
    }
}

fn check_alpha(alpha: f64) -> Result<(), ModelError> {
    if (0.0..=1.0).contains(&alpha) {
        Ok(())
    } else {
        Err(ModelError::Parameter {
            name: "alpha",
            value: alpha.to_string(),
            rule: "from 0 to 1",
        })
    }
}

fn check_power(power: f64) -> Result<(), ModelError> {
    if power.is_finite() && !(power > 0.0 && power < 1.0) {
        Ok(())
    } else {
        Err(ModelError::Parameter {
            name: "power",
            value: power.to_string(),
            rule: "at most 0 or at least 1",
        })
    }
}

fn deviance(power: f64, p: f64, t: f64) -> f64 {
    if power == 0.0 {
        (t - p) * (t - p)
    } else if power == 1.0 {
        let logarithm = if t > 0.0 { t * (t / p).ln() } else { 0.0 };
        2.0 * (logarithm - t + p)
    } else if power == 2.0 {
        2.0 * ((p / t).ln() + t / p - 1.0)
    } else {
        let (one, two) = (1.0 - power, 2.0 - power);
        let base = if power < 0.0 { t.max(0.0) } else { t };
        2.0 * (base.powf(two) / (one * two) - t * p.powf(one) / one + p.powf(two) / two)
    }
}

pub(super) fn check(predictions: &[f64], target: &[f64]) -> Result<(), ModelError> {
    if predictions.len() != target.len() {
        return Err(ModelError::LengthMismatch {
            left_name: "the predictions",
            left: predictions.len(),
            right_name: "the label",
            right: target.len(),
        });
    }
    if predictions.is_empty() {
        return Err(ModelError::NoRows { doing: "measure" });
    }
    for (what, values) in [("prediction", predictions), ("label", target)] {
        if let Some(row) = values.iter().position(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite { what, row });
        }
    }
    Ok(())
}

/// Root of the mean squared error, in the label's unit.
///
/// # Errors
/// `NoRows`, `LengthMismatch`, `NotFinite`.
pub fn root_mean_squared_error(predictions: &[f64], target: &[f64]) -> Result<f64, ModelError> {
    Ok(Regression::new(predictions, target)?.root_mean_squared_error())
}

/// Mean absolute error, in the label's unit.
///
/// # Errors
/// `NoRows`, `LengthMismatch`, `NotFinite`.
pub fn mean_absolute_error(predictions: &[f64], target: &[f64]) -> Result<f64, ModelError> {
    Ok(Regression::new(predictions, target)?.mean_absolute_error())
}

/// See [`Regression::r2`].
///
/// # Errors
/// `NoRows`, `LengthMismatch`, `NotFinite`.
pub fn r2(predictions: &[f64], target: &[f64]) -> Result<f64, ModelError> {
    Ok(Regression::new(predictions, target)?.r2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_scikit_learns_documentation() {
        // y = [3, -0.5, 2, 7], p = [2.5, 0, 2, 8] has an MSE of 0.375, an MAE of 0.5 and an R² of
        // 0.948...
        let (p, y) = ([2.5, 0.0, 2.0, 8.0], [3.0, -0.5, 2.0, 7.0]);
        assert!((root_mean_squared_error(&p, &y).unwrap() - 0.375f64.sqrt()).abs() < 1e-15);
        assert_eq!(mean_absolute_error(&p, &y), Ok(0.5));
        assert!((r2(&p, &y).unwrap() - 0.948_608_137_044_967_9).abs() < 1e-12);
        assert_eq!(r2(&[1.0], &[1.0]), Ok(1.0));
        assert!(r2(&[f64::INFINITY], &[1.0]).is_err());
    }

    #[test]
    fn numbers_outside_a_familys_domain_are_refused_with_their_row() {
        let rows = Regression::new(&[1.0, 1.0], &[1.0, 0.0]).unwrap();
        assert!(rows.mean_poisson_deviance().is_ok());
        assert!(matches!(
            rows.mean_gamma_deviance(),
            Err(ModelError::OutOfDomain { row: 1, .. })
        ));
        assert!(rows.mean_tweedie_deviance(0.5).is_err());
        assert!(rows.mean_pinball_loss(1.5).is_err());
        assert!(
            Regression::new(&[-1.0], &[0.0])
                .unwrap()
                .mean_squared_log_error()
                .is_err()
        );
        assert!(rows.adjusted_r2(1).is_err());
    }
}
