//! Linear models as arrays of a file.

use super::{Linear, Link};
use crate::error::ModelError;
use crate::features::FeatureKind;
use crate::model::{ArrayReader, ArrayWriter, Shape, wrong};

impl Linear {
    pub(super) fn write_arrays(&self, arrays: &mut ArrayWriter) {
        arrays.f64s("intercept", &self.intercepts);
        arrays.f64s("weight", &self.weights);
        if let Some(feature) = self.exposure {
            arrays.u32s("exposure", &[feature]);
        }
    }

    /// Reads a model whose sums mean `link`; `exposed` if its predictions are in proportion to a
    /// feature.
    ///
    /// # Errors
    /// `Format`, saying what is wrong.
    pub(crate) fn read(
        link: Link,
        exposed: bool,
        shape: &Shape<'_>,
        arrays: &mut ArrayReader<'_>,
    ) -> Result<Self, ModelError> {
        let intercepts = arrays.finite_f64s("intercept")?;
        let mut weights = arrays.finite_f64s("weight")?;
        if intercepts.len() != shape.task.outputs() {
            return Err(wrong("its intercepts are not as many as its outputs"));
        }
        if let (1, Some(encoding)) = (shape.version, shape.encoding) {
            weights = encoding.weights_of_version_1(&weights).unwrap_or_default();
        }
        let expected = shape
            .encoding
            .and_then(|encoding| encoding.width().checked_mul(intercepts.len()));
        if expected != Some(weights.len()) {
            return Err(wrong("its weights do not match its features"));
        }
        let exposure = if exposed {
            let [feature] = arrays.u32s("exposure")?[..] else {
                return Err(wrong("its exposure is not one feature"));
            };
            let kind = shape.features.get(feature as usize).map(|feature| &feature.kind);
            if kind != Some(&FeatureKind::Numeric) {
                return Err(wrong("its exposure is not a number"));
            }
            Some(feature)
        } else {
            None
        };
        Ok(Self {
            link,
            intercepts,
            weights,
            exposure,
        })
    }
}
