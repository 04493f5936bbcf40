//! Logistic regression of several classes: the softmax of one linear sum a class.

use super::objective::{CHUNK, Sample, add_parts};
use rayon::prelude::*;

/// Turns linear sums into probabilities that add up to 1, and gives the logarithm of what they were
/// divided by.
pub(crate) fn softmax(sums: &mut [f64]) -> f64 {
    let most = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for sum in sums.iter_mut() {
        *sum = (*sum - most).exp();
        total += *sum;
    }
    sums.iter_mut().for_each(|share| *share /= total);
    most + total.ln()
}

/// Mean log loss with squared penalty. The target is the number of the class; the entries are one
/// line a class, its weights and then its intercept. All classes are treated alike, as
/// scikit-learn does: the penalty decides between the many equal solutions.
#[derive(Clone, Copy)]
pub(crate) struct Multinomial<'a> {
    pub(crate) sample: Sample<'a>,
    pub(crate) classes: usize,
    pub(crate) l2: f64,
    pub(crate) intercept: bool,
}

impl Multinomial<'_> {
    /// Value and gradient.
    pub(crate) fn value_and_gradient(&self, at: &[f64]) -> (f64, Vec<f64>) {
        let (sample, classes) = (&self.sample, self.classes);
        let design = sample.design;
        let line = design.width + 1;
        let parts: Vec<(f64, Vec<f64>)> = (0..design.rows.div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let start = chunk * CHUNK;
                let end = (start + CHUNK).min(design.rows);
                let rows = end - start;
                let mut sums = vec![0.0; classes * rows];
                for (sums, at) in sums.chunks_mut(rows).zip(at.chunks(line)) {
                    sums.fill(at[design.width]);
                    design.times(&at[..design.width], start, sums);
                }
                let mut value = 0.0;
                let mut shares = vec![0.0; classes];
                for row in 0..rows {
                    for (class, share) in shares.iter_mut().enumerate() {
                        *share = sums[class * rows + row];
                    }
                    let (weight, class) = (sample.weights[start + row], sample.target[start + row] as usize);
                    let own = shares.get(class).copied().unwrap_or(0.0);
                    value += weight * (softmax(&mut shares) - own);
                    for (other, share) in shares.iter().enumerate() {
                        let hit = if other == class { 1.0 } else { 0.0 };
                        sums[other * rows + row] = weight * (share - hit);
                    }
                }
                let mut gradient = vec![0.0; classes * line];
                for (sums, gradient) in sums.chunks(rows).zip(gradient.chunks_mut(line)) {
                    design.transposed_times(sums, start, &mut gradient[..design.width]);
                    gradient[design.width] = sums.iter().sum();
                }
                (value, gradient)
            })
            .collect();
        let (mut value, mut gradient) = add_parts(&parts, classes * line);
        value /= sample.total;
        for (gradient, at) in gradient.chunks_mut(line).zip(at.chunks(line)) {
            gradient.iter_mut().for_each(|entry| *entry /= sample.total);
            if !self.intercept {
                gradient[design.width] = 0.0;
            }
            for (entry, weight) in gradient.iter_mut().zip(&at[..design.width]) {
                *entry += self.l2 * weight;
                value += 0.5 * self.l2 * weight * weight;
            }
        }
        (value, gradient)
    }
}
