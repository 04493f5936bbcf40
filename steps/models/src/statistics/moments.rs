//! Mean, spread and shape of numbers.

use crate::metrics::{Interval, Z_95};

/// The first four moments of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    pub count: usize,
    pub mean: f64,
    /// Sample standard deviation (n − 1); none for one value.
    pub deviation: Option<f64>,
    /// Adjusted Fisher–Pearson skewness G₁; none for fewer than 3 values.
    pub skewness: Option<f64>,
    /// Excess kurtosis G₂ without bias under normality; none for fewer than 4 values.
    pub kurtosis: Option<f64>,
}

impl Moments {
    /// Range for the mean by the normal approximation, `mean ± 1.96 s / √n`.
    pub fn mean_interval(&self) -> Option<Interval> {
        let half = Z_95 * self.deviation? / (self.count as f64).sqrt();
        Some(Interval {
            low: self.mean - half,
            high: self.mean + half,
        })
    }
}

/// The moments of numbers, in two passes; none if there are no numbers. Skewness and kurtosis are
/// those of pandas (Joanes and Gill 1998), 0 where all values are equal.
pub fn moments(values: &[f64]) -> Option<Moments> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let rough = values.iter().sum::<f64>() / n;
    // What rounding left over of the first sum.
    let mean = rough + values.iter().map(|value| value - rough).sum::<f64>() / n;
    let (mut second, mut third, mut fourth) = (0.0, 0.0, 0.0);
    for value in values {
        let away = value - mean;
        let square = away * away;
        second += square;
        third += square * away;
        fourth += square * square;
    }
    let flat = second <= f64::EPSILON * f64::EPSILON * mean * mean * n;
    let skewness = (values.len() >= 3).then(|| {
        if flat {
            0.0
        } else {
            n * (n - 1.0).sqrt() / (n - 2.0) * third / second.powf(1.5)
        }
    });
    let kurtosis = (values.len() >= 4).then(|| {
        if flat {
            return 0.0;
        }
        let scale = (n - 1.0) / ((n - 2.0) * (n - 3.0));
        scale * (n * (n + 1.0) * fourth / (second * second) - 3.0 * (n - 1.0))
    });
    Some(Moments {
        count: values.len(),
        mean,
        deviation: (values.len() > 1).then(|| (second / (n - 1.0)).sqrt()),
        skewness,
        kurtosis,
    })
}
