//! From rows to support vector machines.

use super::SvmParams;
use super::kernel::Kernel;
use super::machines::{Machine, Machines};
use super::smo::{self, Cache, Dual};
use crate::calibration::{Calibrated, out_of_fold};
use crate::error::ModelError;
use crate::fit::{Fit, Flow, Progress, Rows};
use crate::matrix::Matrix;
use crate::model::Body;
use crate::preprocessing::Design;
use crate::task::Task;
use rayon::prelude::*;

/// Fits machines to two or more classes, with probabilities, or to a number.
pub(crate) fn fit(
    params: &SvmParams,
    design: &Design,
    rows: &Rows<'_>,
    seed: u64,
    observe: Observe<'_>,
) -> Result<Fit, ModelError> {
    params.check()?;
    let points = design.dense_rows();
    let search = Search {
        kernel: Kernel::new(params, params.gamma.resolve(&points)?),
        cost: params.c,
        tolerance: params.tolerance,
        max_iterations: params.max_iterations,
    };
    let (target, weights) = (rows.target, rows.weights);
    if *rows.task == Task::Regression {
        let found = fit_number(&points, target, weights, params.epsilon, &search, observe)?;
        return Ok(told(&found, Body::Machines(found.machines.clone())));
    }
    let classes = Classes {
        target,
        count: rows.task.classes().len(),
        outputs: rows.task.outputs(),
    };
    let outputs = classes.outputs;
    let mut shared = Cache::holds_all(&points).then(|| Cache::new(&points, search.kernel));
    let scores = out_of_fold(target, weights, outputs, seed, |weights| {
        let found = fit_classes(
            &points,
            &classes,
            weights,
            &search,
            shared.as_mut(),
            &mut *observe,
        )?;
        let mut scores = vec![0.0; outputs * rows.count];
        scores
            .par_chunks_mut(outputs)
            .enumerate()
            .filter(|(row, _)| weights[*row] == 0.0)
            .for_each(|(row, into)| found.machines.answer(points.row(row), into));
        Ok(scores)
    })?;
    let found = fit_classes(&points, &classes, weights, &search, shared.as_mut(), observe)?;
    let inner = Body::Machines(found.machines.clone());
    let body = Calibrated::platt(inner, &scores, target, weights, outputs)?;
    Ok(told(&found, body))
}

fn told(found: &Found, body: Body) -> Fit {
    Fit {
        rounds: found.iterations,
        converged: found.converged,
        measures: vec![("support_vectors", found.machines.support.rows() as f64)],
        ..Fit::direct(body)
    }
}

/// How a machine is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Search {
    pub(crate) kernel: Kernel,
    /// The most a row of weight 1 may pull.
    pub(crate) cost: f64,
    pub(crate) tolerance: f64,
    pub(crate) max_iterations: usize,
}

/// Machines and how the search went.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) machines: Machines,
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
}

type Observe<'o> = &'o mut dyn FnMut(Progress<'_>) -> Flow;

/// A machine over training rows, before the support vectors of all are gathered.
struct Draft {
    /// Row and coefficient.
    terms: Vec<(usize, f64)>,
    shift: f64,
    iterations: usize,
    converged: bool,
}

/// Which class each row is of.
struct Classes<'a> {
    /// Numbers of classes.
    target: &'a [f64],
    count: usize,
    /// 1 for one sum that is above 0 for class 1; else a score for each class.
    outputs: usize,
}

/// Separates classes. `shared` holds kernels of all rows, for all machines; without it each has a
/// cache of its own rows.
fn fit_classes(
    rows: &Matrix,
    classes: &Classes<'_>,
    weights: &[f64],
    search: &Search,
    mut shared: Option<&mut Cache<'_>>,
    observe: Observe<'_>,
) -> Result<Found, ModelError> {
    let mut drafts = Vec::new();
    for low in 0..classes.count {
        for high in low + 1..classes.count {
            // Of a pair the first is above 0, but 1 of 0 and 1.
            let (positive, negative) = if classes.outputs == 1 {
                (high, low)
            } else {
                (low, high)
            };
            let is = |row: usize, class: usize| classes.target[row] == class as f64;
            let of: Vec<usize> = (0..rows.rows())
                .filter(|&row| weights[row] > 0.0 && (is(row, positive) || is(row, negative)))
                .collect();
            let signs: Vec<f64> = of
                .iter()
                .map(|&row| if is(row, positive) { 1.0 } else { -1.0 })
                .collect();
            let shared = shared.as_deref_mut();
            drafts.push(separate(
                rows,
                &of,
                &signs,
                weights,
                search,
                shared,
                &mut *observe,
            )?);
        }
    }
    Ok(gathered(rows, search.kernel, drafts, classes.outputs))
}

fn separate(
    rows: &Matrix,
    of: &[usize],
    signs: &[f64],
    weights: &[f64],
    search: &Search,
    shared: Option<&mut Cache<'_>>,
    observe: Observe<'_>,
) -> Result<Draft, ModelError> {
    if !(signs.contains(&1.0) && signs.contains(&-1.0)) {
        // Only one of the pair has rows: it wins everywhere.
        return Ok(Draft {
            terms: Vec::new(),
            shift: -signs.first().copied().unwrap_or(0.0),
            iterations: 0,
            converged: true,
        });
    }
    let caps: Vec<f64> = of.iter().map(|&row| search.cost * weights[row]).collect();
    let places: Vec<usize> = (0..of.len()).collect();
    let dual = Dual {
        of: if shared.is_some() { of } else { &places },
        signs,
        linear: &vec![-1.0; of.len()],
        caps: &caps,
    };
    let (tolerance, limit) = (search.tolerance, search.max_iterations);
    let found = match shared {
        Some(cache) => smo::solve(&dual, cache, tolerance, limit, observe)?,
        None => {
            let part = rows.take(of);
            smo::solve(
                &dual,
                &mut Cache::new(&part, search.kernel),
                tolerance,
                limit,
                observe,
            )?
        }
    };
    let terms = found.alphas.iter().zip(signs).zip(of);
    Ok(Draft {
        terms: terms
            .filter(|((alpha, _), _)| **alpha > 0.0)
            .map(|((alpha, sign), row)| (*row, alpha * sign))
            .collect(),
        shift: found.shift,
        iterations: found.iterations,
        converged: found.converged,
    })
}

/// Fits a number with a tube of half width `epsilon` in which errors are free.
pub(crate) fn fit_number(
    rows: &Matrix,
    target: &[f64],
    weights: &[f64],
    epsilon: f64,
    search: &Search,
    observe: Observe<'_>,
) -> Result<Found, ModelError> {
    let of: Vec<usize> = (0..rows.rows()).filter(|&row| weights[row] > 0.0).collect();
    let part = rows.take(&of);
    let count = of.len();
    // Each row twice: as one that pulls up and as one that pulls down.
    let twice: Vec<usize> = (0..count).chain(0..count).collect();
    let signs: Vec<f64> = (0..2 * count)
        .map(|at| if at < count { 1.0 } else { -1.0 })
        .collect();
    let linear: Vec<f64> = of
        .iter()
        .map(|&row| epsilon - target[row])
        .chain(of.iter().map(|&row| epsilon + target[row]))
        .collect();
    let caps: Vec<f64> = of
        .iter()
        .chain(&of)
        .map(|&row| search.cost * weights[row])
        .collect();
    let dual = Dual {
        of: &twice,
        signs: &signs,
        linear: &linear,
        caps: &caps,
    };
    let mut cache = Cache::new(&part, search.kernel);
    let found = smo::solve(
        &dual,
        &mut cache,
        search.tolerance,
        search.max_iterations,
        observe,
    )?;
    let draft = Draft {
        terms: (0..count)
            .map(|at| (of[at], found.alphas[at] - found.alphas[count + at]))
            .filter(|(_, coefficient)| *coefficient != 0.0)
            .collect(),
        shift: found.shift,
        iterations: found.iterations,
        converged: found.converged,
    };
    Ok(gathered(rows, search.kernel, vec![draft], 1))
}

fn gathered(rows: &Matrix, kernel: Kernel, drafts: Vec<Draft>, outputs: usize) -> Found {
    let mut used: Vec<usize> = drafts
        .iter()
        .flat_map(|draft| draft.terms.iter().map(|(row, _)| *row))
        .collect();
    used.sort_unstable();
    used.dedup();
    let mut machines = Vec::with_capacity(drafts.len());
    let (mut iterations, mut converged) = (0, true);
    for draft in drafts {
        iterations += draft.iterations;
        converged &= draft.converged;
        machines.push(Machine {
            places: draft
                .terms
                .iter()
                .map(|(row, _)| used.partition_point(|used| used < row) as u32)
                .collect(),
            coefficients: draft.terms.iter().map(|(_, coefficient)| *coefficient).collect(),
            shift: draft.shift,
        });
    }
    Found {
        machines: Machines {
            kernel,
            support: rows.take(&used),
            machines,
            outputs,
        },
        iterations,
        converged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Golden, assert_close, rows};
    use crate::svm::{Gamma, KernelKind};

    fn search(kernel: Kernel) -> Search {
        Search {
            kernel,
            cost: 1.5,
            tolerance: 1e-9,
            max_iterations: 1_000_000,
        }
    }

    fn kernel(kind: KernelKind) -> Kernel {
        Kernel {
            kind,
            gamma: 0.2,
            coef0: 0.5,
            degree: 3,
        }
    }

    /// The same with kernels of all rows kept for all machines, and without.
    fn separated(rows: &Matrix, target: &[f64], weights: &[f64], count: usize, search: &Search) -> Found {
        let classes = Classes {
            target,
            count,
            outputs: if count == 2 { 1 } else { count },
        };
        let mut cache = Cache::new(rows, search.kernel);
        let fit = |cache| fit_classes(rows, &classes, weights, search, cache, &mut |_| Flow::GoOn).unwrap();
        let alone = fit(None);
        assert_eq!(fit(Some(&mut cache)), alone);
        alone
    }

    fn answers(found: &Found, rows: &Matrix) -> Vec<f64> {
        let mut into = vec![0.0; found.machines.outputs];
        rows.iter()
            .flat_map(|row| {
                found.machines.answer(row, &mut into);
                into.clone()
            })
            .collect()
    }

    const KINDS: [(&str, KernelKind); 3] = [
        ("linear", KernelKind::Linear),
        ("poly", KernelKind::Poly),
        ("rbf", KernelKind::Rbf),
    ];

    #[test]
    fn sums_of_two_classes_are_those_of_scikit_learn() {
        let golden = Golden::read("svm");
        let (data, x) = rows();
        let (target, weights) = (data.numbers(&["binary"]), data.numbers(&["weights"]));
        // LIBSVM keeps kernels in single precision.
        for (name, kind) in &KINDS {
            let found = separated(&x, &target, &weights, 2, &search(kernel(*kind)));
            assert!(found.converged);
            let sums = answers(&found, &x);
            assert_close(&sums, &golden.numbers(&["binary", name]), 1e-5);
        }
    }

    #[test]
    fn scores_of_several_classes_are_those_of_scikit_learn() {
        let golden = Golden::read("svm");
        let (data, x) = rows();
        let (target, weights) = (data.numbers(&["several"]), data.numbers(&["weights"]));
        let search = search(kernel(KernelKind::Rbf));
        let found = separated(&x, &target, &weights, 3, &search);
        let scores = answers(&found, &x);
        assert_close(&scores, &golden.numbers(&["several"]), 1e-5);
    }

    #[test]
    fn numbers_are_those_of_scikit_learn() {
        let golden = Golden::read("svm");
        let (data, x) = rows();
        let (target, weights) = (data.numbers(&["number"]), data.numbers(&["weights"]));
        for (name, kind) in &KINDS {
            let found = fit_number(&x, &target, &weights, 0.1, &search(kernel(*kind)), &mut |_| {
                Flow::GoOn
            })
            .unwrap();
            assert!(found.converged);
            let sums = answers(&found, &x);
            assert_close(&sums, &golden.numbers(&["number", name]), 1e-5);
        }
    }

    #[test]
    fn gamma_scales_with_columns_and_variance() {
        let rows = Matrix {
            columns: 2,
            values: vec![0.0, 2.0, 0.0, 2.0],
        };
        assert_eq!(Gamma::Scale.resolve(&rows), Ok(0.5));
        assert_eq!(Gamma::Auto.resolve(&rows), Ok(0.5));
        assert!(Gamma::Value(0.0).resolve(&rows).is_err());
    }

    #[test]
    fn a_search_out_of_iterations_says_so() {
        let (data, x) = rows();
        let short = Search {
            max_iterations: 3,
            ..search(kernel(KernelKind::Rbf))
        };
        let target = data.numbers(&["binary"]);
        let found = separated(&x, &target, &[1.0; 150], 2, &short);
        assert!(!found.converged);
    }
}
