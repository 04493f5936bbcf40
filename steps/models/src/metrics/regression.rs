//! How far predicted numbers are off.

use crate::error::ModelError;

fn check(predictions: &[f64], target: &[f64]) -> Result<(), ModelError> {
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
    check(predictions, target)?;
    Ok((squared_error(predictions, target) / target.len() as f64).sqrt())
}

/// Mean absolute error, in the label's unit.
///
/// # Errors
/// `NoRows`, `LengthMismatch`, `NotFinite`.
pub fn mean_absolute_error(predictions: &[f64], target: &[f64]) -> Result<f64, ModelError> {
    check(predictions, target)?;
    let sum: f64 = predictions.iter().zip(target).map(|(p, t)| (p - t).abs()).sum();
    Ok(sum / target.len() as f64)
}

/// Share of the label's variance that is explained: 1 is perfect, 0 no better than the mean. For a
/// constant label 1 if every prediction is right, else 0, as scikit-learn has it.
///
/// # Errors
/// `NoRows`, `LengthMismatch`, `NotFinite`.
pub fn r2(predictions: &[f64], target: &[f64]) -> Result<f64, ModelError> {
    check(predictions, target)?;
    let mean = target.iter().sum::<f64>() / target.len() as f64;
    let spread: f64 = target.iter().map(|value| (value - mean) * (value - mean)).sum();
    let error = squared_error(predictions, target);
    Ok(if spread > 0.0 {
        1.0 - error / spread
    } else {
        f64::from(u8::from(error == 0.0))
    })
}

fn squared_error(predictions: &[f64], target: &[f64]) -> f64 {
    predictions
        .iter()
        .zip(target)
        .map(|(p, t)| (p - t) * (p - t))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_scikit_learn() {
        // The example of scikit-learn's documentation: y = [3, -0.5, 2, 7], p = [2.5, 0, 2, 8]
        // has an MSE of 0.375, an MAE of 0.5 and an R² of 0.948...
        let (p, y) = ([2.5, 0.0, 2.0, 8.0], [3.0, -0.5, 2.0, 7.0]);
        assert!((root_mean_squared_error(&p, &y).unwrap() - 0.375f64.sqrt()).abs() < 1e-15);
        assert_eq!(mean_absolute_error(&p, &y), Ok(0.5));
        assert!((r2(&p, &y).unwrap() - 0.948_608_137_044_967_9).abs() < 1e-12);
        assert_eq!(r2(&[1.0], &[1.0]), Ok(1.0));
        assert!(r2(&[f64::INFINITY], &[1.0]).is_err());
    }
}
