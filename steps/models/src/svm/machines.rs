//! Fitted support vector machines: what they say of rows, and their arrays in a file.

use super::kernel::Kernel;
use super::{KernelKind, SvmParams};
use crate::error::ModelError;
use crate::matrix::Matrix;
use crate::model::{ArrayReader, ArrayWriter, Batch, Learned, Shape, wrong};
use crate::preprocessing::Encoding;

/// One weighted sum of kernels: `Σ coefficientᵢ·K(supportᵢ, x) − shift`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Machine {
    /// Places among the support vectors, ascending.
    pub(crate) places: Vec<u32>,
    pub(crate) coefficients: Vec<f64>,
    pub(crate) shift: f64,
}

/// The rows that hold the border, and the machines over them: one for two classes or a number, one
/// for each pair of several classes (0 against 1, 0 against 2, …).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Machines {
    pub(crate) kernel: Kernel,
    pub(crate) support: Matrix,
    pub(crate) machines: Vec<Machine>,
    /// Scores a row: one a class of several, else 1.
    pub(crate) outputs: usize,
}

impl Machines {
    /// The value of each machine.
    fn sums(&self, row: &[f64]) -> Vec<f64> {
        let kernels: Vec<f64> = self
            .support
            .iter()
            .map(|support| self.kernel.between(support, row))
            .collect();
        self.machines
            .iter()
            .map(|machine| {
                let sum: f64 = machine
                    .places
                    .iter()
                    .zip(&machine.coefficients)
                    .map(|(place, coefficient)| coefficient * kernels.get(*place as usize).unwrap_or(&0.0))
                    .sum();
                sum - machine.shift
            })
            .collect()
    }

    /// The value for two classes or a number. For several one score a class: its won duels, and by
    /// how much (always less than one duel), as scikit-learn's `decision_function_shape="ovr"`.
    pub(super) fn answer(&self, row: &[f64], into: &mut [f64]) {
        let sums = self.sums(row);
        let classes = into.len();
        if let [sum] = into {
            *sum = sums.first().copied().unwrap_or(0.0);
            return;
        }
        let mut votes = vec![0.0; classes];
        let mut margins = vec![0.0; classes];
        let mut pair = sums.iter();
        for low in 0..classes {
            for high in low + 1..classes {
                let sum = pair.next().copied().unwrap_or(0.0);
                margins[low] += sum;
                margins[high] -= sum;
                votes[if sum > 0.0 { low } else { high }] += 1.0;
            }
        }
        for (into, (votes, margin)) in into.iter_mut().zip(votes.iter().zip(&margins)) {
            *into = votes + margin / (3.0 * (margin.abs() + 1.0));
        }
    }
}

impl Learned for Machines {
    /// Numbers, or scores of classes.
    fn predict(&self, batch: &Batch<'_>, into: &mut [f64]) {
        let mut point = vec![0.0; batch.width()];
        for (row, into) in into.chunks_exact_mut(self.outputs.max(1)).enumerate() {
            batch.encode(row, &mut point);
            self.answer(&point, into);
        }
    }

    /// With a linear kernel the machines are linear sums, and their absolute weights tell.
    fn importance(&self, encoding: Option<&Encoding>, sums: &mut [f64]) {
        let (KernelKind::Linear, Some(encoding)) = (self.kernel.kind, encoding) else {
            return;
        };
        for machine in &self.machines {
            let mut weights = vec![0.0; self.support.columns];
            for (place, coefficient) in machine.places.iter().zip(&machine.coefficients) {
                crate::matrix::add_scaled(&mut weights, *coefficient, self.support.row(*place as usize));
            }
            for (sum, places) in sums.iter_mut().zip(encoding.places()) {
                let weights = weights.get(places).unwrap_or(&[]);
                *sum += weights
                    .iter()
                    .fold(0.0, |most: f64, weight| most.max(weight.abs()));
            }
        }
    }

    fn write(&self, arrays: &mut ArrayWriter) {
        arrays.f64s("kernel", &[self.kernel.gamma, self.kernel.coef0]);
        arrays.f64s("support", &self.support.values);
        let counts: Vec<u32> = self
            .machines
            .iter()
            .map(|machine| machine.places.len() as u32)
            .collect();
        let places: Vec<u32> = self.machines.iter().flat_map(|m| &m.places).copied().collect();
        let coefficients: Vec<f64> = self
            .machines
            .iter()
            .flat_map(|m| &m.coefficients)
            .copied()
            .collect();
        let shifts: Vec<f64> = self.machines.iter().map(|machine| machine.shift).collect();
        arrays.u32s("machine_terms", &counts);
        arrays.u32s("machine_support", &places);
        arrays.f64s("machine_coefficient", &coefficients);
        arrays.f64s("machine_shift", &shifts);
    }
}

impl Machines {
    /// Reads what was written; takes nothing on trust.
    ///
    /// # Errors
    /// `Format`, saying what is wrong.
    pub(crate) fn read(
        params: &SvmParams,
        shape: &Shape<'_>,
        arrays: &mut ArrayReader<'_>,
    ) -> Result<Self, ModelError> {
        let [gamma, coef0] = arrays.finite_f64s("kernel")?[..] else {
            return Err(wrong("its kernel does not have two numbers"));
        };
        let support = shape.matrix(arrays.finite_f64s("support")?)?;
        let counts = arrays.u32s("machine_terms")?;
        let places = arrays.u32s("machine_support")?;
        let coefficients = arrays.finite_f64s("machine_coefficient")?;
        let shifts = arrays.finite_f64s("machine_shift")?;
        let classes = shape.task.classes().len();
        let expected = if classes > 2 {
            classes * (classes - 1) / 2
        } else {
            1
        };
        if counts.len() != expected || shifts.len() != expected || places.len() != coefficients.len() {
            return Err(wrong("its machines do not fit its classes"));
        }
        if !places.iter().all(|place| (*place as usize) < support.rows()) {
            return Err(wrong("a machine has a support vector that is not there"));
        }
        let mut start = 0usize;
        let mut machines = Vec::with_capacity(expected);
        for (count, shift) in counts.into_iter().zip(shifts) {
            let end = start.saturating_add(count as usize);
            let (Some(places), Some(coefficients)) = (places.get(start..end), coefficients.get(start..end))
            else {
                return Err(wrong("a machine is cut short"));
            };
            machines.push(Machine {
                places: places.to_vec(),
                coefficients: coefficients.to_vec(),
                shift,
            });
            start = end;
        }
        if start != places.len() {
            return Err(wrong("it has terms of no machine"));
        }
        Ok(Self {
            kernel: Kernel {
                coef0,
                ..Kernel::new(params, gamma)
            },
            support,
            machines,
            outputs: shape.task.outputs(),
        })
    }
}
