//! Linear models as arrays of a file.

use super::Linear;
use crate::error::ModelError;
use crate::model::{ArrayReader, ArrayWriter, Shape, one, wrong};
use crate::task::Task;

impl Linear {
    pub(super) fn write_arrays(&self, arrays: &mut ArrayWriter) {
        arrays.f64s("intercept", &[self.intercept]);
        arrays.f64s("weight", &self.weights);
    }

    pub(crate) fn read(
        logistic: bool,
        shape: &Shape<'_>,
        arrays: &mut ArrayReader<'_>,
    ) -> Result<Self, ModelError> {
        let fits = match shape.task {
            Task::Binary { .. } => logistic,
            Task::Regression => true,
            _ => false,
        };
        if !fits {
            return Err(wrong("a linear model of another task than its algorithm's"));
        }
        let intercept = one(&arrays.finite_f64s("intercept")?)?;
        let mut weights = arrays.finite_f64s("weight")?;
        if let (1, Some(encoding)) = (shape.version, shape.encoding) {
            weights = encoding.weights_of_version_1(&weights).unwrap_or_default();
        }
        if shape
            .encoding
            .is_none_or(|encoding| encoding.width() != weights.len())
        {
            return Err(wrong("its weights do not match its features"));
        }
        Ok(Self {
            logistic,
            intercept,
            weights,
        })
    }
}
