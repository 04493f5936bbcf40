//! Naive Bayes: features taken as independent within each class.

mod arrays;

use crate::error::ModelError;
use crate::features::Aligned;
use crate::fit::{Fit, Rows, at_least};
use crate::frame::MISSING_CODE;
use crate::linear::multinomial::softmax;
use crate::model::{ArrayWriter, Batch, Body, Learned};
use crate::preprocessing::Encoding;
use crate::tree::Cell;
use serde::{Deserialize, Serialize};

/// How numbers are distributed within a class. Categories always have a share each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberModel {
    /// A normal distribution for each column.
    #[default]
    Gaussian,
    /// Counts of one multinomial distribution over all columns of numbers, as of words in a text.
    Multinomial,
    /// Above `binarize` or not.
    Bernoulli,
}

/// Parameters of naive Bayes. Features are taken as they are, without preprocessing; what is missing
/// in a row says nothing about it.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `numbers` | `gaussian` | | how numbers are distributed within a class: `gaussian`, `multinomial` (counts), `bernoulli`; categories always have a share each |
/// | `alpha` | 1 | at least 0 | rows added to every category, count or sign (Laplace) |
/// | `var_smoothing` | 1e-9 | at least 0 | share of the largest variance of any column that is added to all variances |
/// | `binarize` | 0 | | for `bernoulli`: numbers above are 1, others 0 |
///
/// With numbers alone these are scikit-learn's `GaussianNB`, `MultinomialNB` and `BernoulliNB`, with
/// categories alone its `CategoricalNB`; mixed columns multiply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NaiveBayesParams {
    pub numbers: NumberModel,
    pub alpha: f64,
    pub var_smoothing: f64,
    pub binarize: f64,
}

impl Default for NaiveBayesParams {
    fn default() -> Self {
        Self {
            numbers: NumberModel::Gaussian,
            alpha: 1.0,
            var_smoothing: 1e-9,
            binarize: 0.0,
        }
    }
}

/// What one feature says of each class.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Evidence {
    Gaussian {
        means: Vec<f64>,
        variances: Vec<f64>,
    },
    /// Log shares, to be multiplied by the count.
    Multinomial {
        logs: Vec<f64>,
    },
    Bernoulli {
        threshold: f64,
        above: Vec<f64>,
        below: Vec<f64>,
    },
    /// Log shares, a line of classes for each category.
    Categories {
        logs: Vec<f64>,
    },
}

/// Log shares of the classes, and each feature's evidence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NaiveBayes {
    pub(crate) priors: Vec<f64>,
    pub(crate) features: Vec<Evidence>,
}

impl NaiveBayes {
    /// Fills in the probability of each class. Missing values, and categories unseen in training,
    /// say nothing.
    pub(crate) fn probabilities(&self, cell: impl Fn(usize) -> Cell, into: &mut [f64]) {
        into.copy_from_slice(&self.priors);
        let classes = into.len();
        for (feature, evidence) in self.features.iter().enumerate() {
            match (evidence, cell(feature)) {
                (_, Cell::Number(value)) if !value.is_finite() => {}
                (Evidence::Gaussian { means, variances }, Cell::Number(value)) => {
                    for ((into, mean), variance) in into.iter_mut().zip(means).zip(variances) {
                        let difference = value - mean;
                        *into -= 0.5
                            * (difference * difference / variance + (std::f64::consts::TAU * variance).ln());
                    }
                }
                (Evidence::Multinomial { logs }, Cell::Number(value)) => {
                    into.iter_mut()
                        .zip(logs)
                        .for_each(|(into, log)| *into += value * log);
                }
                (
                    Evidence::Bernoulli {
                        threshold,
                        above,
                        below,
                    },
                    Cell::Number(value),
                ) => {
                    let logs = if value > *threshold { above } else { below };
                    into.iter_mut().zip(logs).for_each(|(into, log)| *into += log);
                }
                (Evidence::Categories { logs }, Cell::Code(code)) => {
                    let line = (code as usize).checked_mul(classes);
                    let logs = line.and_then(|at| logs.get(at..at + classes)).unwrap_or(&[]);
                    into.iter_mut().zip(logs).for_each(|(into, log)| *into += log);
                }
                _ => {}
            }
        }
        softmax(into);
    }
}

impl Learned for NaiveBayes {
    fn predict(&self, batch: &Batch<'_>, into: &mut [f64]) {
        let classes = self.priors.len();
        // Two classes may be asked for as one number a row, or as two.
        if into.len() > batch.len() {
            for (row, into) in into.chunks_exact_mut(classes).enumerate() {
                self.probabilities(|feature| batch.cell(row, feature), into);
            }
        } else {
            let mut shares = [0.0; 2];
            for (row, into) in into.iter_mut().enumerate() {
                self.probabilities(|feature| batch.cell(row, feature), &mut shares);
                *into = shares[1];
            }
        }
    }

    fn importance(&self, _encoding: Option<&Encoding>, _sums: &mut [f64]) {}

    fn write(&self, arrays: &mut ArrayWriter) {
        self.write_arrays(arrays);
    }
}

/// Fits naive Bayes to two or more classes.
pub(crate) fn fit(params: &NaiveBayesParams, rows: &Rows<'_>) -> Result<Fit, ModelError> {
    at_least("alpha", params.alpha)?;
    at_least("var_smoothing", params.var_smoothing)?;
    if !params.binarize.is_finite() {
        return Err(ModelError::Parameter {
            name: "binarize",
            value: params.binarize.to_string(),
            rule: "a finite number",
        });
    }
    let classes = rows.task.classes().len();
    let found = count(rows.values, rows.target, rows.weights, classes, params)?;
    Ok(Fit::direct(Body::NaiveBayes(found)))
}

/// Counts what there is to count. The target is the number of the class.
fn count(
    values: &[Aligned<'_>],
    target: &[f64],
    weights: &[f64],
    classes: usize,
    params: &NaiveBayesParams,
) -> Result<NaiveBayes, ModelError> {
    let mut sums = vec![0.0; classes];
    for (class, weight) in target.iter().zip(weights) {
        sums[*class as usize] += weight;
    }
    let total: f64 = sums.iter().sum();
    let priors = sums.iter().map(|sum| least_log(sum / total)).collect();
    let rows = || {
        target
            .iter()
            .map(|class| *class as usize)
            .zip(weights.iter().copied())
    };
    let mut features = Vec::with_capacity(values.len());
    for column in values {
        features.push(match (column, params.numbers) {
            (Aligned::Codes { codes, categories }, _) => Evidence::Categories {
                logs: category_logs(codes, *categories, rows(), classes, params.alpha),
            },
            (Aligned::Numeric(values), NumberModel::Gaussian) => gaussian(values, rows(), classes),
            (Aligned::Numeric(values), NumberModel::Multinomial) => {
                // Sums for now; the shares are of all columns.
                let mut logs = vec![params.alpha; classes];
                for (row, (value, (class, weight))) in values.iter().zip(rows()).enumerate() {
                    if *value < 0.0 {
                        return Err(ModelError::NegativeCount { row, value: *value });
                    }
                    if value.is_finite() {
                        logs[class] += value * weight;
                    }
                }
                Evidence::Multinomial { logs }
            }
            (Aligned::Numeric(values), NumberModel::Bernoulli) => {
                let (mut ones, mut all) = (vec![params.alpha; classes], vec![2.0 * params.alpha; classes]);
                for (value, (class, weight)) in values.iter().zip(rows()) {
                    if value.is_finite() {
                        all[class] += weight;
                        if *value > params.binarize {
                            ones[class] += weight;
                        }
                    }
                }
                let log = |part: f64, all: f64| least_log(part / all);
                Evidence::Bernoulli {
                    threshold: params.binarize,
                    above: ones
                        .iter()
                        .zip(&all)
                        .map(|(ones, all)| log(*ones, *all))
                        .collect(),
                    below: ones
                        .iter()
                        .zip(&all)
                        .map(|(ones, all)| log(all - ones, *all))
                        .collect(),
                }
            }
        });
    }
    finish_gaussians(&mut features, values, target, weights, params.var_smoothing);
    finish_multinomials(&mut features, classes);
    Ok(NaiveBayes { priors, features })
}

/// The logarithm of a share, which must not be that of 0: nothing is impossible.
fn least_log(share: f64) -> f64 {
    share.max(1e-300).ln()
}

fn category_logs(
    codes: &[u32],
    categories: usize,
    rows: impl Iterator<Item = (usize, f64)>,
    classes: usize,
    alpha: f64,
) -> Vec<f64> {
    let mut logs = vec![alpha; categories * classes];
    let mut totals = vec![alpha * categories as f64; classes];
    for (&code, (class, weight)) in codes.iter().zip(rows) {
        if code != MISSING_CODE
            && let Some(count) = logs.get_mut(code as usize * classes + class)
        {
            *count += weight;
            totals[class] += weight;
        }
    }
    for line in logs.chunks_mut(classes.max(1)) {
        line.iter_mut()
            .zip(&totals)
            .for_each(|(count, total)| *count = least_log(if *total > 0.0 { *count / total } else { 1.0 }));
    }
    logs
}

/// Weighted mean and variance of the known values of each class.
fn gaussian(values: &[f64], rows: impl Iterator<Item = (usize, f64)> + Clone, classes: usize) -> Evidence {
    let (mut totals, mut means, mut variances) = (vec![0.0; classes], vec![0.0; classes], vec![0.0; classes]);
    let known = || {
        values
            .iter()
            .zip(rows.clone())
            .filter(|(value, _)| value.is_finite())
    };
    for (value, (class, weight)) in known() {
        totals[class] += weight;
        means[class] += weight * value;
    }
    for (mean, total) in means.iter_mut().zip(&totals) {
        *mean = if *total > 0.0 { *mean / total } else { 0.0 };
    }
    for (value, (class, weight)) in known() {
        let difference = value - means[class];
        variances[class] += weight * difference * difference;
    }
    for (variance, total) in variances.iter_mut().zip(&totals) {
        *variance = if *total > 0.0 { *variance / total } else { 0.0 };
    }
    Evidence::Gaussian { means, variances }
}

/// Adds a share of the largest variance of any column to all variances.
fn finish_gaussians(
    features: &mut [Evidence],
    values: &[Aligned<'_>],
    target: &[f64],
    weights: &[f64],
    share: f64,
) {
    let whole =
        |values: &[f64]| match gaussian(values, target.iter().map(|_| 0).zip(weights.iter().copied()), 1) {
            Evidence::Gaussian { variances, .. } => variances[0],
            _ => 0.0,
        };
    let largest = values
        .iter()
        .map(|values| match values {
            Aligned::Numeric(values) => whole(values),
            Aligned::Codes { .. } => 0.0,
        })
        .fold(0.0, f64::max);
    for feature in features {
        if let Evidence::Gaussian { variances, .. } = feature {
            for variance in variances {
                *variance += share * largest;
                // Only where all columns are constant: then none of them says anything.
                if *variance <= 0.0 {
                    *variance = 1.0;
                }
            }
        }
    }
}

/// From sums to log shares of the sums of all columns.
fn finish_multinomials(features: &mut [Evidence], classes: usize) {
    let mut totals = vec![0.0; classes];
    for feature in features.iter() {
        if let Evidence::Multinomial { logs } = feature {
            totals.iter_mut().zip(logs).for_each(|(total, sum)| *total += sum);
        }
    }
    for feature in features {
        if let Evidence::Multinomial { logs } = feature {
            logs.iter_mut()
                .zip(&totals)
                .for_each(|(sum, total)| *sum = least_log(if *total > 0.0 { *sum / total } else { 1.0 }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Golden, assert_close, rows};
    use std::borrow::Cow;

    const PARAMS: NaiveBayesParams = NaiveBayesParams {
        numbers: NumberModel::Gaussian,
        alpha: 0.7,
        var_smoothing: 1e-9,
        binarize: 0.2,
    };

    fn predicted(columns: &[Aligned<'_>], params: &NaiveBayesParams) -> Vec<f64> {
        let (data, _) = rows();
        let (target, weights) = (data.numbers(&["several"]), data.numbers(&["weights"]));
        let model = count(columns, &target, &weights, 3, params).unwrap();
        let mut shares = [0.0; 3];
        (0..150)
            .flat_map(|row| {
                let cell = |feature: usize| match &columns[feature] {
                    Aligned::Numeric(values) => Cell::Number(values[row]),
                    Aligned::Codes { codes, .. } => Cell::Code(codes[row]),
                };
                model.probabilities(cell, &mut shares);
                shares
            })
            .collect()
    }

    #[test]
    fn every_distribution_gives_the_probabilities_of_scikit_learn() {
        let golden = Golden::read("bayes");
        let (_, x) = rows();
        let plain: Vec<Vec<f64>> = (0..5).map(|c| x.iter().map(|row| row[c]).collect()).collect();
        let counts: Vec<Vec<f64>> = plain
            .iter()
            .map(|column| {
                column
                    .iter()
                    .map(|value| (value + 3.0).floor().max(0.0))
                    .collect()
            })
            .collect();
        let codes: Vec<Vec<u32>> = counts
            .iter()
            .map(|column| column.iter().map(|count| *count as u32).collect())
            .collect();
        let numbers = |columns: &[Vec<f64>], numbers| {
            let columns: Vec<Aligned<'_>> = columns.iter().map(|c| Aligned::Numeric(c)).collect();
            predicted(&columns, &NaiveBayesParams { numbers, ..PARAMS })
        };
        let close = |found: &[f64], name| assert_close(found, &golden.numbers(&[name]), 1e-8);
        close(&numbers(&plain, NumberModel::Gaussian), "gaussian");
        close(&numbers(&plain, NumberModel::Bernoulli), "bernoulli");
        close(&numbers(&counts, NumberModel::Multinomial), "multinomial");
        let categories: Vec<Aligned<'_>> = codes
            .iter()
            .map(|codes| Aligned::Codes {
                codes: Cow::Borrowed(codes),
                categories: *codes.iter().max().unwrap() as usize + 1,
            })
            .collect();
        close(&predicted(&categories, &PARAMS), "categorical");
    }

    #[test]
    fn what_is_missing_says_nothing() {
        let columns = [
            Aligned::Numeric(&[0.0, 1.0, f64::NAN, 4.0]),
            Aligned::Codes {
                codes: Cow::Borrowed(&[0, MISSING_CODE, 1, 1]),
                categories: 2,
            },
        ];
        let model = count(&columns, &[0.0, 0.0, 1.0, 1.0], &[1.0, 1.0, 2.0, 2.0], 2, &PARAMS).unwrap();
        let mut shares = [0.0; 2];
        let nothing = |feature| {
            if feature == 0 {
                Cell::Number(f64::NAN)
            } else {
                Cell::Code(MISSING_CODE)
            }
        };
        model.probabilities(nothing, &mut shares);
        assert_close(&shares, &[1.0 / 3.0, 2.0 / 3.0], 1e-12);
    }

    #[test]
    fn a_count_below_0_is_refused() {
        let params = NaiveBayesParams {
            numbers: NumberModel::Multinomial,
            ..PARAMS
        };
        let column = [Aligned::Numeric(&[1.0, -1.0])];
        assert!(count(&column, &[0.0, 1.0], &[1.0, 1.0], 2, &params).is_err());
    }
}
