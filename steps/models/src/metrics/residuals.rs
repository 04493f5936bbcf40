//! What is left over: the shape of errors, and how well intervals hold.

use super::quantile::linear_quantile;
use super::regression::Regression;
use super::weights::Weights;
use crate::error::ModelError;

/// How errors (prediction minus label) are distributed. Moments are weighted, quantiles are of the
/// rows as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Residuals {
    /// Mean error: above 0 if predictions are too high.
    pub bias: f64,
    /// Standard deviation of errors (divided by the sum of weights).
    pub deviation: f64,
    /// Third standardised moment; 0 for symmetric errors, and if all are the same.
    pub skewness: f64,
    /// Fourth standardised moment minus 3; 0 for normal errors, and if all are the same.
    pub excess_kurtosis: f64,
    /// Share of predictions above the label.
    pub share_above: f64,
    /// Correlation of error and prediction; 0 if one of them is constant.
    pub correlation_with_prediction: f64,
    /// Errors at 0, 1, 5, 25, 50, 75, 95, 99 and 100 %.
    pub quantiles: [f64; 9],
}

/// Shares of [`Residuals::quantiles`].
pub const RESIDUAL_QUANTILES: [f64; 9] = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0];

impl Regression<'_> {
    /// How the errors are distributed.
    pub fn residuals(&self) -> Residuals {
        let errors: Vec<f64> = self.pairs().map(|(p, t)| p - t).collect();
        let mean = |term: &dyn Fn(usize) -> f64| self.weights.mean((0..errors.len()).map(term));
        let bias = mean(&|row| errors[row]);
        let moment = |power: i32| mean(&|row| (errors[row] - bias).powi(power));
        let variance = moment(2);
        let standardised = |power: i32, normal: f64| {
            if variance > 0.0 {
                moment(power) / variance.powf(f64::from(power) / 2.0) - normal
            } else {
                0.0
            }
        };
        let centre = mean(&|row| self.predictions[row]);
        let spread = mean(&|row| (self.predictions[row] - centre).powi(2));
        let both = mean(&|row| (self.predictions[row] - centre) * (errors[row] - bias));
        let correlation = if variance > 0.0 && spread > 0.0 {
            both / (variance * spread).sqrt()
        } else {
            0.0
        };
        let mut sorted = errors.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Residuals {
            bias,
            deviation: variance.sqrt(),
            skewness: standardised(3, 0.0),
            excess_kurtosis: standardised(4, 3.0),
            share_above: mean(&|row| f64::from(u8::from(errors[row] > 0.0))),
            correlation_with_prediction: correlation,
            quantiles: RESIDUAL_QUANTILES.map(|share| linear_quantile(&sorted, share)),
        }
    }
}

/// How well intervals of predictions hold what they promise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntervalQuality {
    /// Share of labels inside, bounds included.
    pub coverage: f64,
    /// Share of labels below the lower bound, and above the upper one.
    pub below: f64,
    pub above: f64,
    /// Mean width, in the label's unit.
    pub mean_width: f64,
    /// Mean interval score (Winkler 1972, Gneiting and Raftery 2007) for the promised coverage: the
    /// width, and 2/α times the distance of a label outside; lower is better.
    pub score: f64,
}

/// Judges intervals `low..=high` that promise to hold the label with probability `level`.
///
/// # Errors
/// `NoRows`, `LengthMismatch`, `NotFinite`, `Weights`; `OutOfDomain` for a lower bound above the
/// upper one; `Parameter` unless `level` is above 0 and below 1.
pub fn interval_quality(
    low: &[f64],
    high: &[f64],
    target: &[f64],
    level: f64,
    weights: Weights<'_>,
) -> Result<IntervalQuality, ModelError> {
    super::regression::check(low, target)?;
    super::regression::check(high, target)?;
    weights.check(target.len())?;
    if !(level > 0.0 && level < 1.0) {
        return Err(ModelError::Parameter {
            name: "level",
            value: level.to_string(),
            rule: "above 0 and below 1",
        });
    }
    if let Some(row) = low.iter().zip(high).position(|(low, high)| low > high) {
        return Err(ModelError::OutOfDomain {
            row,
            rule: "a lower bound that is at most the upper one",
        });
    }
    let mean = |term: &dyn Fn(usize) -> f64| weights.mean((0..target.len()).map(term));
    let below = mean(&|row| f64::from(u8::from(target[row] < low[row])));
    let above = mean(&|row| f64::from(u8::from(target[row] > high[row])));
    let width = mean(&|row| high[row] - low[row]);
    let outside = mean(&|row| (low[row] - target[row]).max(0.0) + (target[row] - high[row]).max(0.0));
    Ok(IntervalQuality {
        coverage: 1.0 - below - above,
        below,
        above,
        mean_width: width,
        score: width + 2.0 / (1.0 - level) * outside,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_on_a_bound_are_inside_and_those_outside_cost_their_distance() {
        let found = interval_quality(
            &[0.0, 0.0, 0.0, 0.0],
            &[1.0, 1.0, 1.0, 3.0],
            &[0.0, 1.0, 1.5, -1.0],
            0.9,
            Weights::Equal,
        )
        .unwrap();
        assert_eq!((found.coverage, found.below, found.above), (0.5, 0.25, 0.25));
        assert_eq!(found.mean_width, 1.5);
        // 1.5 + 2 / 0.1 · (0.5 + 1) / 4.
        assert!((found.score - 9.0).abs() < 1e-12);
        assert!(interval_quality(&[2.0], &[1.0], &[0.0], 0.9, Weights::Equal).is_err());
    }

    #[test]
    fn constant_errors_have_no_shape() {
        let found = Regression::new(&[2.0, 3.0], &[1.0, 2.0]).unwrap().residuals();
        assert_eq!((found.bias, found.deviation, found.skewness), (1.0, 0.0, 0.0));
        assert_eq!(found.correlation_with_prediction, 0.0);
    }
}
