//! Whether a probability means the same in every group.

use super::groups::Groups;
use crate::error::ModelError;
use crate::metrics::{
    Binary, CalibrationBin, CalibrationBins, Interval, Weights, at_rows, wilson_interval_at,
};

/// How probabilities hold in one group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupCalibration {
    /// In the order of the columns; none where the value is missing.
    pub values: Vec<Option<String>>,
    pub rows: usize,
    /// Fewer rows than asked for.
    pub small: bool,
    pub mean_probability: f64,
    /// Share of positive rows, with its 95 % interval (Wilson).
    pub observed: f64,
    pub interval: Interval,
    pub expected_calibration_error: f64,
    pub curve: Vec<CalibrationBin>,
}

/// Calibration of probabilities within each group (Kleinberg et al. 2017), in order of the groups.
/// Groups whose rows have no weight are left out.
///
/// # Errors
/// `LengthMismatch`, `NotBinary`, `NotFinite`, `NotProbability`, `Weights`, `Parameter` for no bins.
pub fn calibration_within(
    groups: &Groups,
    probabilities: &[f64],
    labels: &[f64],
    weights: Weights<'_>,
    bins: CalibrationBins,
    small_below: usize,
) -> Result<Vec<GroupCalibration>, ModelError> {
    Binary::weighted(probabilities, labels, weights)?;
    if labels.len() != groups.rows() {
        return Err(ModelError::LengthMismatch {
            left_name: "the label",
            left: labels.len(),
            right_name: "the groups",
            right: groups.rows(),
        });
    }
    let mut found = Vec::with_capacity(groups.groups().len());
    for group in groups.groups() {
        let (probabilities, labels) = (at_rows(probabilities, &group.rows), at_rows(labels, &group.rows));
        let own: Vec<f64> = group.rows.iter().map(|&row| weights.of(row)).collect();
        let (sum, squares) = own.iter().fold((0.0, 0.0), |(sum, squares), weight| {
            (sum + weight, squares + weight * weight)
        });
        if sum <= 0.0 {
            continue;
        }
        let own = Weights::Each(&own);
        let rows = Binary::weighted(&probabilities, &labels, own)?;
        let observed = own.mean(labels.iter().copied());
        let equal_rows = sum * sum / squares;
        found.push(GroupCalibration {
            values: group.values.clone(),
            rows: group.rows.len(),
            small: group.rows.len() < small_below,
            mean_probability: own.mean(probabilities.iter().copied()),
            observed,
            interval: wilson_interval_at(observed * equal_rows, equal_rows, 0.95),
            expected_calibration_error: rows.expected_calibration_error(bins)?,
            curve: rows.calibration_curve(bins)?,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fairness::Sensitive;

    #[test]
    fn a_probability_that_holds_overall_may_fail_in_each_group() {
        let codes: Vec<u32> = (0..40).map(|row| row / 20).collect();
        let values = ["a".to_owned(), "b".to_owned()];
        let groups = Groups::new(&[Sensitive {
            name: "group",
            codes: &codes,
            values: &values,
        }])
        .unwrap();
        // Half of all rows are positive, but three quarters of one group and a quarter of the other.
        let labels: Vec<f64> = (0..40)
            .map(|row| f64::from(u8::from(if row < 20 { row % 4 < 3 } else { row % 4 < 1 })))
            .collect();
        let same = vec![0.5; 40];
        let bins = CalibrationBins::Uniform(10);
        let whole = Binary::new(&same, &labels).unwrap();
        assert_eq!(whole.expected_calibration_error(bins), Ok(0.0));
        let found = calibration_within(&groups, &same, &labels, Weights::Equal, bins, 30).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].observed, found[1].observed), (0.75, 0.25));
        assert!(
            found
                .iter()
                .all(|group| group.expected_calibration_error == 0.25 && group.small)
        );
        assert!(found[0].interval.low > 0.5 && found[1].interval.high < 0.5);
    }
}
