//! How much each row counts.

use crate::error::ModelError;

/// Weights of rows. A row of weight 0 counts for nothing, as if it were not there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Weights<'a> {
    /// Every row counts 1.
    #[default]
    Equal,
    /// One finite number of at least 0 a row, not all 0.
    Each(&'a [f64]),
}

impl Weights<'_> {
    /// That there is one proper weight for each of `rows` rows.
    ///
    /// # Errors
    /// `LengthMismatch` or `Weights`.
    pub(crate) fn check(self, rows: usize) -> Result<(), ModelError> {
        let Self::Each(weights) = self else {
            return Ok(());
        };
        if weights.len() != rows {
            return Err(ModelError::LengthMismatch {
                left_name: "the weights",
                left: weights.len(),
                right_name: "the label",
                right: rows,
            });
        }
        let proper = |weight: &f64| *weight >= 0.0 && weight.is_finite();
        if weights.iter().all(proper) && weights.iter().any(|weight| *weight > 0.0) {
            Ok(())
        } else {
            Err(ModelError::Weights)
        }
    }

    /// The weight of a row.
    #[inline]
    pub fn of(self, row: usize) -> f64 {
        match self {
            Self::Equal => 1.0,
            Self::Each(weights) => weights.get(row).copied().unwrap_or(0.0),
        }
    }

    /// Weighted mean of one term a row.
    pub(crate) fn mean(self, terms: impl IntoIterator<Item = f64>) -> f64 {
        let (mut sum, mut total) = (0.0, 0.0);
        for (row, term) in terms.into_iter().enumerate() {
            let weight = self.of(row);
            // A row without weight may have a term that is not defined.
            if weight > 0.0 {
                sum += term * weight;
                total += weight;
            }
        }
        sum / total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_must_be_one_a_row_finite_not_negative_and_not_all_zero() {
        assert!(Weights::Each(&[1.0, 0.0]).check(2).is_ok());
        for wrong in [
            &[1.0][..],
            &[0.0, 0.0],
            &[1.0, -1.0],
            &[1.0, f64::NAN],
            &[1.0, f64::INFINITY],
        ] {
            assert!(Weights::Each(wrong).check(2).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_row_without_weight_may_be_anything() {
        assert_eq!(Weights::Each(&[1.0, 0.0, 3.0]).mean([2.0, f64::NAN, 4.0]), 3.5);
    }
}
