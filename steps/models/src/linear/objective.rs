//! The mean loss of a linear model with its squared penalty, and its derivatives.

use super::loss::Loss;
use super::newton::Symmetric;
use crate::preprocessing::Design;
use rayon::prelude::*;

/// Rows one thread sums at a time; partial sums are added in order, whatever the number of threads.
pub(crate) const CHUNK: usize = 1 << 11;
/// The same for second derivatives, whose sums are large.
const HESSIAN_CHUNK: usize = 1 << 13;
/// Chunks whose second derivatives are held at a time.
const BATCH: usize = 8;

/// The rows a linear model is fitted to.
#[derive(Clone, Copy)]
pub(crate) struct Sample<'a> {
    pub(crate) design: &'a Design,
    pub(crate) target: &'a [f64],
    pub(crate) weights: &'a [f64],
    /// Sum of the weights.
    pub(crate) total: f64,
    /// Added to each row's linear sum.
    pub(crate) offset: Option<&'a [f64]>,
}

impl Sample<'_> {
    /// The rows of chunk `chunk` and their linear sums; the intercept is the last of `at`.
    fn sums(&self, at: &[f64], chunk: usize, size: usize) -> (std::ops::Range<usize>, Vec<f64>) {
        let start = chunk * size;
        let end = (start + size).min(self.design.rows);
        let (weights, intercept) = at.split_at(self.design.width);
        let mut sums = vec![intercept[0]; end - start];
        if let Some(offset) = self.offset {
            sums.iter_mut()
                .zip(&offset[start..end])
                .for_each(|(sum, offset)| *sum += offset);
        }
        self.design.times(weights, start, &mut sums);
        (start..end, sums)
    }
}

/// `Σ weight·loss / Σ weight + l2/2·Σ w²`; the intercept is the last entry and free.
#[derive(Clone, Copy)]
pub(crate) struct Objective<'a> {
    pub(crate) sample: Sample<'a>,
    pub(crate) loss: Loss,
    pub(crate) l2: f64,
    /// Whether there is an intercept; it stays as it is if not.
    pub(crate) intercept: bool,
}

impl Objective<'_> {
    /// Value and gradient.
    pub(crate) fn value_and_gradient(&self, at: &[f64]) -> (f64, Vec<f64>) {
        let sample = &self.sample;
        let width = sample.design.width;
        let parts: Vec<(f64, Vec<f64>)> = (0..sample.design.rows.div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let (rows, mut sums) = sample.sums(at, chunk, CHUNK);
                let start = rows.start;
                let mut value = 0.0;
                for (sum, row) in sums.iter_mut().zip(rows) {
                    let here = self.loss.at(*sum, sample.target[row]);
                    value += here.value * sample.weights[row];
                    *sum = here.slope * sample.weights[row];
                }
                let mut gradient = vec![0.0; width + 1];
                sample
                    .design
                    .transposed_times(&sums, start, &mut gradient[..width]);
                gradient[width] = sums.iter().sum();
                (value, gradient)
            })
            .collect();
        let (mut value, mut gradient) = add_parts(&parts, width + 1);
        value /= sample.total;
        gradient.iter_mut().for_each(|entry| *entry /= sample.total);
        if !self.intercept {
            gradient[width] = 0.0;
        }
        for (entry, weight) in gradient.iter_mut().zip(&at[..width]) {
            *entry += self.l2 * weight;
            value += 0.5 * self.l2 * weight * weight;
        }
        (value, gradient)
    }

    /// Second derivatives.
    pub(crate) fn hessian(&self, at: &[f64]) -> Symmetric {
        let sample = &self.sample;
        let size = sample.design.width + 1;
        let mut sum = Symmetric::zero(size);
        let chunks: Vec<usize> = (0..sample.design.rows.div_ceil(HESSIAN_CHUNK)).collect();
        for batch in chunks.chunks(BATCH) {
            let parts: Vec<Symmetric> = batch
                .par_iter()
                .map(|&chunk| {
                    let (rows, mut sums) = sample.sums(at, chunk, HESSIAN_CHUNK);
                    let start = rows.start;
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        *sum = self.loss.at(*sum, sample.target[row]).curvature * sample.weights[row]
                            / sample.total;
                    }
                    let mut part = Symmetric::zero(size);
                    sample.design.second_derivatives(&sums, start, &mut part);
                    part
                })
                .collect();
            for part in &parts {
                crate::matrix::add_scaled(&mut sum.entries, 1.0, &part.entries);
            }
        }
        for place in 0..size - 1 {
            sum.entries[place * size + place] += self.l2;
        }
        if !self.intercept {
            for place in 0..size {
                sum.entries[place * size + size - 1] = 0.0;
            }
        }
        sum
    }
}

/// The sum of values and gradients, in the order of the chunks.
pub(crate) fn add_parts(parts: &[(f64, Vec<f64>)], size: usize) -> (f64, Vec<f64>) {
    let mut value = 0.0;
    let mut gradient = vec![0.0; size];
    for (part_value, part) in parts {
        value += part_value;
        crate::matrix::add_scaled(&mut gradient, 1.0, part);
    }
    (value, gradient)
}
