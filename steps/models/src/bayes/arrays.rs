//! Naive Bayes as arrays of a file.

use super::{Evidence, NaiveBayes};
use crate::error::ModelError;
use crate::features::FeatureKind;
use crate::model::{ArrayReader, ArrayWriter, Shape, wrong};

/// Values of `evidence_kind`.
const GAUSSIAN: u8 = 0;
const MULTINOMIAL: u8 = 1;
const BERNOULLI: u8 = 2;
const CATEGORIES: u8 = 3;

impl NaiveBayes {
    pub(super) fn write_arrays(&self, arrays: &mut ArrayWriter) {
        arrays.f64s("log_prior", &self.priors);
        let (mut kinds, mut numbers) = (Vec::new(), Vec::new());
        for feature in &self.features {
            match feature {
                Evidence::Gaussian { means, variances } => {
                    kinds.push(GAUSSIAN);
                    numbers.extend(means.iter().chain(variances));
                }
                Evidence::Multinomial { logs } => {
                    kinds.push(MULTINOMIAL);
                    numbers.extend(logs);
                }
                Evidence::Bernoulli {
                    threshold,
                    above,
                    below,
                } => {
                    kinds.push(BERNOULLI);
                    numbers.push(*threshold);
                    numbers.extend(above.iter().chain(below));
                }
                Evidence::Categories { logs } => {
                    kinds.push(CATEGORIES);
                    numbers.extend(logs);
                }
            }
        }
        arrays.u8s("evidence_kind", &kinds);
        arrays.f64s("evidence", &numbers);
    }

    /// Reads what [`NaiveBayes::write_arrays`] wrote; takes nothing on trust.
    ///
    /// # Errors
    /// `Format`, saying what is wrong.
    pub(crate) fn read(shape: &Shape<'_>, arrays: &mut ArrayReader<'_>) -> Result<Self, ModelError> {
        let priors = arrays.finite_f64s("log_prior")?;
        let kinds = arrays.u8s("evidence_kind")?;
        let numbers = arrays.finite_f64s("evidence")?;
        let classes = shape.task.classes().len();
        if classes < 2 || priors.len() != classes || kinds.len() != shape.features.len() {
            return Err(wrong("its evidence does not fit its classes or features"));
        }
        let mut rest = numbers.as_slice();
        let mut take = |count: usize| -> Result<Vec<f64>, ModelError> {
            let (taken, left) = rest
                .split_at_checked(count)
                .ok_or_else(|| wrong("its evidence is cut short"))?;
            rest = left;
            Ok(taken.to_vec())
        };
        let mut features = Vec::with_capacity(kinds.len());
        for (feature, kind) in shape.features.iter().zip(kinds) {
            features.push(match (&feature.kind, kind) {
                (FeatureKind::Numeric, GAUSSIAN) => {
                    let (means, variances) = (take(classes)?, take(classes)?);
                    if !variances.iter().all(|variance| *variance > 0.0) {
                        return Err(wrong("a variance is not above 0"));
                    }
                    Evidence::Gaussian { means, variances }
                }
                (FeatureKind::Numeric, MULTINOMIAL) => Evidence::Multinomial { logs: take(classes)? },
                (FeatureKind::Numeric, BERNOULLI) => Evidence::Bernoulli {
                    threshold: take(1)?[0],
                    above: take(classes)?,
                    below: take(classes)?,
                },
                (FeatureKind::Categorical { categories }, CATEGORIES) => Evidence::Categories {
                    logs: take(categories.len().saturating_mul(classes))?,
                },
                _ => return Err(wrong("evidence does not fit its feature")),
            });
        }
        if !rest.is_empty() {
            return Err(wrong("it has evidence of no feature"));
        }
        Ok(Self { priors, features })
    }
}
