//! What other steps ask of columns: how alike two are, and which one tells a label alone.

use super::drift::Change;
use super::relations::Sampled;
use super::report::measure;
use super::sample::{Categories, Sample, Values};
use super::target::{Kind, Target};
use crate::fault;
use polars::prelude::{DataType as PolarsType, PolarsError, PolarsResult, Series};
use trainyard_contract::StepError;

/// How alike two columns are.
pub(crate) struct Likened {
    /// Population stability index; missing values are one more bin.
    pub(crate) psi: f64,
    /// Kolmogorov and Smirnov's D, for numbers.
    pub(crate) ks: Option<f64>,
    /// Shift of the mean in standard deviations of the reference, for numbers.
    pub(crate) mean_shift: Option<f64>,
    /// Values of the reference and of the other column.
    pub(crate) rows: [usize; 2],
}

/// How alike a column is to a reference, over all rows; `None` if one of them has no rows or they are
/// neither numbers nor categories.
///
/// # Errors
/// Where polars cannot cast.
pub(crate) fn likened(reference: &Series, current: &Series) -> PolarsResult<Option<Likened>> {
    let values = if reference.dtype().is_primitive_numeric() {
        let both = (
            Values::of(reference)?,
            Values::of(&current.cast(&PolarsType::Float64)?)?,
        );
        let (Some(Values::Numbers(mut all)), Some(Values::Numbers(more))) = both else {
            return Ok(None);
        };
        all.extend(more);
        Values::Numbers(all)
    } else if matches!(reference.dtype(), PolarsType::String | PolarsType::Boolean) {
        let texts = [
            reference.cast(&PolarsType::String)?,
            current.cast(&PolarsType::String)?,
        ];
        let all: Vec<Option<&str>> = texts[0].str()?.iter().chain(texts[1].str()?.iter()).collect();
        Values::Categories(Categories::of(&all))
    } else {
        return Ok(None);
    };
    let column = Sampled {
        name: reference.name().to_string(),
        values,
    };
    let base: Vec<usize> = (0..reference.len()).collect();
    let rows: Vec<usize> = (reference.len()..reference.len() + current.len()).collect();
    Ok(Change::of(&column, "", &base, &rows).map(|change| Likened {
        psi: change.psi,
        ks: change.kolmogorov_smirnov.map(|test| test.statistic),
        mean_shift: change.mean_shift.map(f64::abs),
        rows: change.rows,
    }))
}

/// How well a column alone tells a label.
pub(crate) struct Alone {
    pub(crate) column: String,
    pub(crate) measure: &'static str,
    pub(crate) value: f64,
    pub(crate) rows: usize,
}

/// Each other column by how well it alone tells the label, best first, on up to 100,000 rows, one at
/// random from each of equally long stretches; `None` if the label is constant. `read` gives a column with all `rows`,
/// of which one is in memory at a time.
///
/// # Errors
/// What `read` gives, or where polars cannot cast.
pub(crate) fn told_alone<'n>(
    rows: usize,
    names: impl Iterator<Item = &'n str>,
    label: &str,
    mut read: impl FnMut(&str) -> Result<Series, StepError>,
) -> Result<Option<Vec<Alone>>, StepError> {
    let failed = |error: PolarsError| StepError::rejected(fault::sentence(&error));
    let sample = Sample::draw(rows, super::many(), super::default_seed());
    let mut columns = Vec::new();
    for name in names {
        let series = read(name)?;
        let values = sample
            .take(&series)
            .and_then(|some| Values::of(&some))
            .map_err(failed)?;
        columns.extend(values.map(|values| Sampled {
            name: name.to_owned(),
            values,
        }));
    }
    Ok(Target::of(&columns, label).map(|target| {
        let kind = target.kind;
        let bearings = target.columns.into_iter().map(|bearing| Alone {
            value: bearing.alone.unwrap_or_else(|| bearing.relation.size()),
            measure: match kind {
                Kind::TwoClasses => "AUC",
                Kind::Number => "R²",
                Kind::Classes => measure(bearing.relation.measure),
            },
            rows: bearing.relation.rows,
            column: bearing.column,
        });
        bearings.collect()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::NamedFrom;

    #[test]
    fn the_same_column_is_alike_and_a_moved_one_by_its_deviations_away() {
        let reference = Series::new("x".into(), [1.0, 2.0, 3.0, 4.0, 5.0]);
        let same = likened(&reference, &reference).unwrap().unwrap();
        assert_eq!((same.psi, same.ks, same.mean_shift), (0.0, Some(0.0), Some(0.0)));
        // Deviation √2.5; moved down by 3.
        let moved = likened(&reference, &Series::new("x".into(), [-2.0, -1.0, 0.0, 1.0, 2.0]))
            .unwrap()
            .unwrap();
        assert!((moved.mean_shift.unwrap() - 3.0 / 2.5f64.sqrt()).abs() < 1e-12);
        assert_eq!((moved.ks, moved.rows), (Some(0.6), [5, 5]));
    }

    #[test]
    fn categories_of_both_sides_are_counted_alike() {
        let reference = Series::new("k".into(), ["a", "a", "b", "b"]);
        let current = Series::new("k".into(), ["b", "b", "a", "a"]);
        assert_eq!(likened(&reference, &current).unwrap().unwrap().psi, 0.0);
        let new = likened(&reference, &Series::new("k".into(), ["c", "c"]))
            .unwrap()
            .unwrap();
        assert!(new.psi > 1.0);
        assert!(
            likened(&reference, &Series::new("k".into(), Vec::<String>::new()))
                .unwrap()
                .is_none()
        );
    }
}
