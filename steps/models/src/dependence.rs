//! How a prediction moves with one feature or two: partial dependence (Friedman 2001) and the curves
//! of single rows behind it (ICE, Goldstein et al. 2015).

use crate::error::ModelError;
use crate::frame::{Frame, MISSING_CODE, Values};
use crate::metrics::Weights;
use crate::model::Predictor;
use crate::predictions::Predictions;

/// A value that a feature is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum GridValue {
    Number(f64),
    Category(String),
    Missing,
}

/// Which values features are set to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Values of a number, at most: all distinct ones if they are not more, else that many at equal
    /// distances.
    pub points: usize,
    /// Shares of rows below the first and the last of them.
    pub between: (f64, f64),
    /// Whether a feature that is missing in some rows is set to missing as well.
    pub missing: bool,
}

impl Default for Grid {
    /// 100 points between the 5th and the 95th percentile, as scikit-learn; missing as well.
    fn default() -> Self {
        Self {
            points: 100,
            between: (0.05, 0.95),
            missing: true,
        }
    }
}

/// Predictions with features set to the values of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependence {
    pub features: Vec<String>,
    /// For each feature its values; cells of the grid go through those of the last one first.
    pub grid: Vec<Vec<GridValue>>,
    /// Numbers a prediction has: as many as classes if they are more than two, else one.
    pub outputs: usize,
    pub rows: usize,
    /// Mean prediction: cell after cell, in it output after output.
    pub mean: Vec<f64>,
    /// Prediction of each row: cell after cell, in it row after row, in it output after output. Empty
    /// unless asked for.
    pub each: Vec<f64>,
}

/// Predicts all rows with the features set to each cell of a grid. `each` keeps the predictions of
/// single rows.
///
/// # Errors
/// What prediction reports; `NoRows`, `Weights`; `MissingColumn` for a feature that is none; `Parameter`
/// unless there are one or two features; `OtherPredictions` for clusters.
pub fn partial_dependence(
    model: &dyn Predictor,
    frame: &Frame,
    features: &[&str],
    grid: Grid,
    weights: Weights<'_>,
    each: bool,
) -> Result<Dependence, ModelError> {
    let wrong = |name, value: String, rule| Err(ModelError::Parameter { name, value, rule });
    if !(1..=2).contains(&features.len()) {
        return wrong("features", features.len().to_string(), "one or two");
    }
    if grid.points < 2 {
        return wrong("points", grid.points.to_string(), "at least 2");
    }
    let (low, high) = grid.between;
    if !(0.0 <= low && low < high && high <= 1.0) {
        return wrong(
            "between",
            format!("{low} to {high}"),
            "two shares, the first the smaller",
        );
    }
    if frame.rows() == 0 {
        return Err(ModelError::NoRows { doing: "predict" });
    }
    weights.check(frame.rows())?;
    let values = features
        .iter()
        .map(|feature| grid.values(model, frame, feature))
        .collect::<Result<Vec<Vec<GridValue>>, ModelError>>()?;
    let mut found = Dependence {
        features: features.iter().map(|feature| (*feature).to_owned()).collect(),
        grid: values,
        outputs: model.label().task.outputs(),
        rows: frame.rows(),
        mean: Vec::new(),
        each: Vec::new(),
    };
    let mut cells: Vec<Vec<&GridValue>> = vec![Vec::new()];
    for values in &found.grid {
        cells = cells
            .iter()
            .flat_map(|cell| values.iter().map(|value| [cell.as_slice(), &[value]].concat()))
            .collect();
    }
    for cell in cells {
        let mut set = frame.clone();
        for (feature, value) in features.iter().zip(cell) {
            set = set.with_column(feature, everywhere(frame, feature, value)?)?;
        }
        let numbers = match model.predict(&set)? {
            Predictions::Numbers(numbers) => numbers,
            other => other.classes()?.values().to_vec(),
        };
        for output in 0..found.outputs {
            let of_output = numbers.iter().skip(output).step_by(found.outputs);
            found.mean.push(weights.mean(of_output.copied()));
        }
        if each {
            found.each.extend(numbers);
        }
    }
    Ok(found)
}

impl Grid {
    fn values(
        &self,
        model: &dyn Predictor,
        frame: &Frame,
        feature: &str,
    ) -> Result<Vec<GridValue>, ModelError> {
        let missing_column = || ModelError::MissingColumn {
            column: feature.to_owned(),
        };
        if !model.features().iter().any(|known| known.name == feature) {
            return Err(missing_column());
        }
        let (mut values, missing) = match frame.column(feature).ok_or_else(missing_column)? {
            Values::Numeric(numbers) => {
                let mut sorted: Vec<f64> = numbers
                    .iter()
                    .copied()
                    .filter(|number| number.is_finite())
                    .collect();
                sorted.sort_unstable_by(f64::total_cmp);
                let mut distinct = sorted.clone();
                distinct.dedup();
                let points = if distinct.len() <= self.points {
                    distinct
                } else {
                    let (low, high) = (
                        plotting_quantile(&sorted, self.between.0),
                        plotting_quantile(&sorted, self.between.1),
                    );
                    let step = (high - low) / (self.points - 1) as f64;
                    (0..self.points).map(|at| low + step * at as f64).collect()
                };
                let missing = numbers.iter().any(|number| number.is_nan());
                (points.into_iter().map(GridValue::Number).collect(), missing)
            }
            Values::Categorical { codes, dictionary } => {
                let values: Vec<GridValue> = dictionary
                    .iter()
                    .enumerate()
                    .filter(|(code, _)| codes.contains(&(*code as u32)))
                    .map(|(_, category)| GridValue::Category(category.clone()))
                    .collect();
                (values, codes.contains(&MISSING_CODE))
            }
        };
        if missing && self.missing || values.is_empty() {
            values.push(GridValue::Missing);
        }
        Ok(values)
    }
}

/// The quantile by which scikit-learn bounds its grid: approximately unbiased whatever the
/// distribution (Cunnane's plotting positions, 0.4 and 0.4), as SciPy's `mquantiles`.
fn plotting_quantile(sorted: &[f64], share: f64) -> f64 {
    let count = sorted.len();
    if count < 2 {
        return sorted.first().copied().unwrap_or(f64::NAN);
    }
    let at = count as f64 * share + 0.4 + 0.2 * share;
    let below = (at.floor() as usize).clamp(1, count - 1);
    let part = (at - below as f64).clamp(0.0, 1.0);
    (1.0 - part) * sorted[below - 1] + part * sorted[below]
}

/// A column with the same value in all rows.
fn everywhere(frame: &Frame, feature: &str, value: &GridValue) -> Result<Values, ModelError> {
    let rows = frame.rows();
    match (frame.column(feature), value) {
        (Some(Values::Numeric(_)), GridValue::Number(number)) => Ok(Values::Numeric(vec![*number; rows])),
        (Some(Values::Numeric(_)), _) => Ok(Values::Numeric(vec![f64::NAN; rows])),
        (Some(Values::Categorical { dictionary, .. }), value) => {
            let code = dictionary
                .iter()
                .position(|known| matches!(value, GridValue::Category(category) if category == known))
                .map_or(MISSING_CODE, |code| code as u32);
            Ok(Values::Categorical {
                codes: vec![code; rows],
                dictionary: dictionary.clone(),
            })
        }
        (None, _) => Err(ModelError::MissingColumn {
            column: feature.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Feature, FeatureKind};
    use crate::frame::{FrameColumn, categorical};
    use crate::model::Value;
    use crate::predictions::Prediction;
    use crate::task::{Label, Task};

    /// 2x, plus 1 for category b, plus 10 where x is missing.
    struct Known {
        features: Vec<Feature>,
        label: Label,
    }

    impl Known {
        fn new() -> Self {
            let feature = |name: &str, kind| Feature {
                name: name.into(),
                data_type: None,
                kind,
            };
            let categories = vec!["a".into(), "b".into()];
            Self {
                features: vec![
                    feature("x", FeatureKind::Numeric),
                    feature("c", FeatureKind::Categorical { categories }),
                ],
                label: Label {
                    name: "y".into(),
                    task: Task::Regression,
                },
            }
        }
    }

    impl Predictor for Known {
        fn features(&self) -> &[Feature] {
            &self.features
        }

        fn label(&self) -> &Label {
            &self.label
        }

        fn predict(&self, frame: &Frame) -> Result<Predictions, ModelError> {
            let (Some(Values::Numeric(x)), Some(Values::Categorical { codes, .. })) =
                (frame.column("x"), frame.column("c"))
            else {
                panic!("columns of the frame")
            };
            let of = |(x, code): (&f64, &u32)| {
                (if x.is_nan() { 10.0 } else { 2.0 * x }) + f64::from(u8::from(*code == 1))
            };
            Ok(Predictions::Numbers(x.iter().zip(codes).map(of).collect()))
        }

        fn predict_row(&self, _: &[Value<'_>]) -> Result<Prediction, ModelError> {
            panic!("not asked for")
        }
    }

    fn frame() -> Frame {
        let column = |name: &str, values| FrameColumn {
            name: name.into(),
            values,
        };
        Frame::new(vec![
            column("x", Values::Numeric(vec![3.0, 1.0, f64::NAN, 1.0])),
            column("c", categorical([Some("a"), Some("b"), Some("b"), Some("a")])),
        ])
        .unwrap()
    }

    #[test]
    fn the_mean_of_single_rows_is_the_partial_dependence() {
        let found = partial_dependence(
            &Known::new(),
            &frame(),
            &["x"],
            Grid::default(),
            Weights::Equal,
            true,
        )
        .unwrap();
        assert_eq!(
            found.grid[0],
            [GridValue::Number(1.0), GridValue::Number(3.0), GridValue::Missing]
        );
        assert_eq!(found.mean, [2.5, 6.5, 10.5]);
        assert_eq!(&found.each[..4], [2.0, 3.0, 3.0, 2.0]);
        let weighted = Weights::Each(&[1.0, 0.0, 0.0, 1.0]);
        let found =
            partial_dependence(&Known::new(), &frame(), &["x"], Grid::default(), weighted, false).unwrap();
        assert_eq!((found.mean, found.each.len()), (vec![2.0, 6.0, 10.0], 0));
    }

    #[test]
    fn two_features_are_crossed_with_the_last_one_first() {
        let found = partial_dependence(
            &Known::new(),
            &frame(),
            &["x", "c"],
            Grid::default(),
            Weights::Equal,
            false,
        )
        .unwrap();
        assert_eq!(found.mean, [2.0, 3.0, 6.0, 7.0, 10.0, 11.0]);
    }

    #[test]
    fn the_grid_of_many_numbers_is_scikit_learns() {
        // sklearn.inspection._partial_dependence._grid_from_X(arange(37)**2, (0.05, 0.95), ..., 4).
        let sorted: Vec<f64> = (0..37).map(|at| f64::from(at * at)).collect();
        let grid = Grid {
            points: 4,
            ..Grid::default()
        };
        let frame = Frame::new(vec![FrameColumn {
            name: "x".into(),
            values: Values::Numeric(sorted),
        }])
        .unwrap();
        let found = grid.values(&Known::new(), &frame, "x").unwrap();
        for (found, expected) in found.iter().zip([1.78, 403.54, 805.3, 1207.06]) {
            let GridValue::Number(found) = found else {
                panic!("a number")
            };
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn features_that_are_none_and_too_many_are_refused() {
        for features in [&["z"][..], &[], &["x", "c", "x"]] {
            let found = partial_dependence(
                &Known::new(),
                &frame(),
                features,
                Grid::default(),
                Weights::Equal,
                false,
            );
            assert!(found.is_err(), "{features:?}");
        }
    }
}
