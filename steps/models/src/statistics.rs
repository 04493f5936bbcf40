//! What can be said of columns as such: moments, quantiles, histograms, relations between columns,
//! and how far two samples lie apart.
//!
//! Numbers are finite unless said otherwise; sorted slices are ascending. Definitions are those of
//! pandas and SciPy where they have one, and are checked against them.

mod association;
mod bins;
mod distance;
mod moments;
mod quantiles;
mod tails;
mod tally;

#[cfg(test)]
mod reference_tests;

pub use association::{
    ChiSquared, Contingency, Correlation, Grouped, correlation_ratio, pearson, ranks, spearman,
};
pub use bins::{BinRule, Histogram, QuantileBins};
pub use distance::{
    KolmogorovSmirnov, information_value, kolmogorov_smirnov, population_stability, wasserstein,
};
pub use moments::{Moments, moments};
pub use quantiles::{Fences, median_absolute_deviation, quantile, robust_outliers};
pub use tails::{chi_squared_tail, kolmogorov_tail};
pub use tally::{Tally, tally};
