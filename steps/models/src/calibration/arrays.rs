//! Calibration curves as arrays of a file.

use super::{Calibrated, Curve, Steps};
use crate::error::ModelError;
use crate::model::{ArrayReader, ArrayWriter, Body, wrong};

/// Values of `calibration_kind`.
const SIGMOID: u8 = 0;
const STEPS: u8 = 1;

impl Calibrated {
    pub(super) fn write_curves(&self, arrays: &mut ArrayWriter) {
        let (mut kinds, mut counts, mut at, mut values) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for curve in &self.curves {
            match curve {
                Curve::Sigmoid { slope, intercept } => {
                    kinds.push(SIGMOID);
                    counts.push(1);
                    at.push(*slope);
                    values.push(*intercept);
                }
                Curve::Steps(steps) => {
                    kinds.push(STEPS);
                    counts.push(steps.at.len() as u32);
                    at.extend_from_slice(&steps.at);
                    values.extend_from_slice(&steps.values);
                }
            }
        }
        arrays.u8s("calibration_kind", &kinds);
        arrays.u32s("calibration_points", &counts);
        arrays.f64s("calibration_at", &at);
        arrays.f64s("calibration_value", &values);
    }

    /// Reads the curves of a body with so many outputs; takes nothing on trust.
    ///
    /// # Errors
    /// `Format`, saying what is wrong.
    pub(crate) fn read(
        inner: Body,
        of_probabilities: bool,
        outputs: usize,
        arrays: &mut ArrayReader<'_>,
    ) -> Result<Body, ModelError> {
        let kinds = arrays.u8s("calibration_kind")?;
        let counts = arrays.u32s("calibration_points")?;
        let at = arrays.finite_f64s("calibration_at")?;
        let values = arrays.finite_f64s("calibration_value")?;
        if kinds.len() != outputs || counts.len() != outputs || at.len() != values.len() {
            return Err(wrong("its calibration does not fit its outputs"));
        }
        let mut curves = Vec::with_capacity(outputs);
        let mut start = 0usize;
        for (kind, count) in kinds.into_iter().zip(counts) {
            let end = start.saturating_add(count as usize);
            let (Some(at), Some(values)) = (at.get(start..end), values.get(start..end)) else {
                return Err(wrong("a calibration curve is cut short"));
            };
            start = end;
            curves.push(match (kind, at, values) {
                (SIGMOID, [slope], [intercept]) => Curve::Sigmoid {
                    slope: *slope,
                    intercept: *intercept,
                },
                (STEPS, [_, ..], _)
                    if at.windows(2).all(|pair| pair[0] < pair[1])
                        && values.iter().all(|value| (0.0..=1.0).contains(value)) =>
                {
                    Curve::Steps(Steps {
                        at: at.to_vec(),
                        values: values.to_vec(),
                    })
                }
                _ => return Err(wrong("a calibration curve is not one")),
            });
        }
        if start != at.len() {
            return Err(wrong("it has calibration points of no curve"));
        }
        Ok(Body::Calibrated(Self {
            inner: Box::new(inner),
            curves,
            of_probabilities,
        }))
    }
}
