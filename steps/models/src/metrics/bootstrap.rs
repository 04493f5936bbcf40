//! Intervals of any metric by drawing rows again.

use super::quantile::linear_quantile;
use super::{Interval, normal_cdf, normal_quantile};
use crate::error::ModelError;
use crate::random::Random;
use rayon::prelude::*;

/// Groups of rows that are left out in turn for the acceleration of BCa, at most: with more rows a
/// single one would say little and cost much.
const JACKKNIFE_GROUPS: usize = 1_000;

/// Which interval is made of the metric's values on drawn rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootstrapMethod {
    /// From the lower to the upper percentile (Efron 1979).
    Percentile,
    /// Percentiles corrected for bias and for an error that depends on the value (Efron 1987).
    Bca,
}

/// How rows are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    pub method: BootstrapMethod,
    /// Samples drawn, each of as many rows as there are, with replacement.
    pub draws: usize,
    pub seed: u64,
    /// Share of samples whose interval holds the true value, e.g. 0.95.
    pub level: f64,
}

impl Bootstrap {
    /// Interval of a metric of the rows `0..rows`; the metric gets the rows drawn. Draws on which it
    /// is undefined (one class only) are left out. The same seed gives the same interval whatever the
    /// number of threads.
    ///
    /// # Errors
    /// `NoRows` if no draw gives a value; what the metric says of all rows, for [`BootstrapMethod::Bca`].
    pub fn interval(
        &self,
        rows: usize,
        metric: impl Fn(&[usize]) -> Result<f64, ModelError> + Sync,
    ) -> Result<Interval, ModelError> {
        let values = self.values(rows, &metric)?;
        match self.method {
            BootstrapMethod::Percentile => Ok(percentile_interval(&values, self.level)),
            BootstrapMethod::Bca => {
                let all: Vec<usize> = (0..rows).collect();
                let whole = metric(&all)?;
                let groups = rows.min(JACKKNIFE_GROUPS);
                let without: Vec<f64> = (0..groups)
                    .into_par_iter()
                    .filter_map(|group| {
                        let rest: Vec<usize> =
                            all.iter().copied().filter(|row| row % groups != group).collect();
                        metric(&rest).ok().filter(|value| value.is_finite())
                    })
                    .collect();
                Ok(bca_interval(&values, whole, &without, self.level))
            }
        }
    }

    /// The metric's values on all draws that define it, ascending.
    ///
    /// # Errors
    /// `NoRows` if there are none; `Parameter` for a level outside (0, 1).
    pub fn values(
        &self,
        rows: usize,
        metric: &(impl Fn(&[usize]) -> Result<f64, ModelError> + Sync),
    ) -> Result<Vec<f64>, ModelError> {
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(ModelError::Parameter {
                name: "level",
                value: self.level.to_string(),
                rule: "above 0 and below 1",
            });
        }
        let mut values: Vec<f64> = (0..self.draws)
            .into_par_iter()
            .filter_map(|draw| {
                let mut random = Random::stream(self.seed, draw as u64);
                let chosen: Vec<usize> = (0..rows).map(|_| random.below(rows)).collect();
                metric(&chosen).ok().filter(|value| value.is_finite())
            })
            .collect();
        if rows == 0 || values.is_empty() {
            return Err(ModelError::NoRows {
                doing: "draw samples from",
            });
        }
        values.sort_unstable_by(f64::total_cmp);
        Ok(values)
    }
}

/// From the lower to the upper percentile of ascending values.
pub(super) fn percentile_interval(values: &[f64], level: f64) -> Interval {
    Interval {
        low: linear_quantile(values, (1.0 - level) / 2.0),
        high: linear_quantile(values, (1.0 + level) / 2.0),
    }
}

/// BCa interval from ascending values on draws, the value on all rows and the values without each
/// group of rows. Where all draws agree the percentile interval.
fn bca_interval(values: &[f64], whole: f64, without: &[f64], level: f64) -> Interval {
    // Draws that hit the value count half, as in SciPy.
    let below = values.partition_point(|value| *value < whole);
    let up_to = values.partition_point(|value| *value <= whole);
    let bias = normal_quantile((below + up_to) as f64 / 2.0 / values.len() as f64);
    let mean = without.iter().sum::<f64>() / without.len().max(1) as f64;
    let moment = |power: i32| {
        without
            .iter()
            .map(|value| (mean - value).powi(power))
            .sum::<f64>()
    };
    let spread = moment(2);
    let acceleration = if spread > 0.0 {
        moment(3) / (6.0 * spread.powf(1.5))
    } else {
        0.0
    };
    if !bias.is_finite() {
        return percentile_interval(values, level);
    }
    let corrected = |share: f64| {
        let z = bias + normal_quantile(share);
        normal_cdf(bias + z / (1.0 - acceleration * z))
    };
    Interval {
        low: linear_quantile(values, corrected((1.0 - level) / 2.0)),
        high: linear_quantile(values, corrected((1.0 + level) / 2.0)),
    }
}

/// 95 % interval of a metric of scores and labels by the percentile bootstrap; see [`Bootstrap`].
///
/// # Errors
/// `NoRows` if no draw gives a value.
pub fn bootstrap_interval(
    scores: &[f64],
    labels: &[f64],
    draws: usize,
    seed: u64,
    metric: impl Fn(&[f64], &[f64]) -> Result<f64, ModelError> + Sync,
) -> Result<Interval, ModelError> {
    let bootstrap = Bootstrap {
        method: BootstrapMethod::Percentile,
        draws,
        seed,
        level: 0.95,
    };
    bootstrap.interval(scores.len().min(labels.len()), |rows| {
        metric(&at_rows(scores, rows), &at_rows(labels, rows))
    })
}

/// The values of some rows, in the order given; rows that do not exist are left out.
pub fn at_rows<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().filter_map(|&row| values.get(row).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::reference::{close, rows};
    use super::*;

    #[test]
    fn the_interval_is_near_delongs_and_the_same_for_the_same_seed() {
        let rows = rows();
        let interval = |seed| bootstrap_interval(&rows.s, &rows.y, 500, seed, super::super::roc_auc).unwrap();
        let exact = super::super::auc_estimate(&rows.s, &rows.y).unwrap().interval;
        assert!((interval(1).low - exact.low).abs() < 0.01 && (interval(1).high - exact.high).abs() < 0.01);
        assert_eq!(interval(1), interval(1));
        assert_ne!(interval(1), interval(2));
        let bca = Bootstrap {
            method: BootstrapMethod::Bca,
            draws: 500,
            seed: 1,
            level: 0.95,
        };
        let auc =
            |chosen: &[usize]| super::super::roc_auc(&at_rows(&rows.s, chosen), &at_rows(&rows.y, chosen));
        let found = bca.interval(rows.s.len(), auc).unwrap();
        assert!((found.low - exact.low).abs() < 0.01 && (found.high - exact.high).abs() < 0.01);
        let wider = Bootstrap { level: 0.99, ..bca }
            .interval(rows.s.len(), auc)
            .unwrap();
        assert!(wider.low < found.low && wider.high > found.high);
    }

    #[test]
    fn bca_is_that_of_scipy_for_the_same_draws() {
        // scipy.stats.bootstrap(([1, 2, 2, 4, 9],), numpy.mean, method="BCa",
        // bootstrap_result=...) with the 20 draws below (SciPy 1.17).
        let mut values: Vec<f64> = vec![
            2.0, 2.4, 2.6, 2.8, 3.0, 3.0, 3.2, 3.4, 3.4, 3.6, 3.8, 4.0, 4.2, 4.4, 4.6, 5.0, 5.2, 5.8, 6.2,
            7.0,
        ];
        values.sort_unstable_by(f64::total_cmp);
        let data = [1.0, 2.0, 2.0, 4.0, 9.0];
        let total: f64 = data.iter().sum();
        let without: Vec<f64> = data.iter().map(|value| (total - value) / 4.0).collect();
        let found = bca_interval(&values, total / 5.0, &without, 0.9);
        close(found.low, 2.426_448_016_246_316);
        close(found.high, 6.402_481_145_705_929);
    }

    #[test]
    fn a_constant_metric_has_a_point_for_an_interval() {
        for method in [BootstrapMethod::Percentile, BootstrapMethod::Bca] {
            let bootstrap = Bootstrap {
                method,
                draws: 10,
                seed: 3,
                level: 0.95,
            };
            let found = bootstrap.interval(4, |_| Ok(1.0)).unwrap();
            assert_eq!((found.low, found.high), (1.0, 1.0));
            assert!(bootstrap.interval(4, |_| Err(ModelError::OneClass)).is_err());
            assert!(bootstrap.interval(0, |_| Ok(1.0)).is_err());
        }
    }
}
