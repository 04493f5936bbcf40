//! Weights beside scikit-learn's; `tests/golden/make_linear.py` made those.

use super::*;
use crate::golden::{Golden, assert_close, rows};
use crate::preprocessing::Design;

struct Given {
    design: Design,
    target: Vec<f64>,
    weights: Vec<f64>,
}

fn given(target: &str) -> Given {
    let (data, x) = rows();
    Given {
        design: Design::dense(&x),
        target: data.numbers(&[target]),
        weights: data.numbers(&["weights"]),
    }
}

impl Given {
    fn sample(&self) -> Sample<'_> {
        Sample {
            design: &self.design,
            target: &self.target,
            weights: &self.weights,
            total: self.weights.iter().sum(),
            offset: None,
        }
    }
}

fn search(l1: f64, l2: f64) -> Search {
    Search {
        penalty: Penalty { l1, l2 },
        intercept: true,
        positive: false,
        tolerance: 1e-10,
        max_iterations: 100_000,
    }
}

fn solved(given: &Given, loss: Loss, search: &Search) -> Solution {
    let solution = fit(&given.sample(), loss, search, &mut |_| Flow::GoOn).unwrap();
    assert!(solution.converged);
    solution
}

#[track_caller]
fn assert_golden(name: &str, found: &Solution, within: f64) {
    let golden = Golden::read("linear");
    assert_close(&found.weights, &golden.numbers(&[name, "weights"]), within);
    assert_close(&found.intercepts, &golden.numbers(&[name, "intercepts"]), within);
}

#[test]
fn least_squares_and_ridge() {
    let given = given("number");
    let found = solved(&given, Loss::Squared, &search(0.0, 0.0));
    assert_golden("least_squares", &found, 1e-9);
    assert_golden("ridge", &solved(&given, Loss::Squared, &search(0.0, 3.0)), 1e-9);
    let through_0 = Search {
        intercept: false,
        ..search(0.0, 3.0)
    };
    assert_golden(
        "ridge_no_intercept",
        &solved(&given, Loss::Squared, &through_0),
        1e-9,
    );
}

#[test]
fn lasso_and_elastic_net() {
    let given = given("number");
    let total: f64 = given.weights.iter().sum();
    let of = |alpha: f64, ratio: f64| Search {
        tolerance: 1e-14,
        ..search(alpha * ratio * total, alpha * (1.0 - ratio) * total)
    };
    let lasso = solved(&given, Loss::Squared, &of(0.6, 1.0));
    assert_golden("lasso", &lasso, 1e-7);
    assert!(lasso.weights.contains(&0.0), "a lasso leaves columns out");
    let positive = Search {
        positive: true,
        ..of(0.05, 1.0)
    };
    assert_golden("lasso_positive", &solved(&given, Loss::Squared, &positive), 1e-7);
    let unpenalised = Search {
        positive: true,
        ..of(0.0, 1.0)
    };
    let found = solved(&given, Loss::Squared, &unpenalised);
    assert_golden("least_squares_positive", &found, 1e-7);
    let elastic = of(0.2, 0.3);
    assert_golden("elastic_net", &solved(&given, Loss::Squared, &elastic), 1e-7);
    let through_0 = Search {
        intercept: false,
        ..elastic
    };
    assert_golden(
        "elastic_net_no_intercept",
        &solved(&given, Loss::Squared, &through_0),
        1e-7,
    );
}

#[test]
fn logistic_regression_with_every_penalty() {
    let given = given("binary");
    let found = solved(&given, Loss::Logistic, &search(0.0, 1.0 / 0.7));
    assert_golden("logistic", &found, 1e-8);
    let lasso = solved(&given, Loss::Logistic, &search(10.0, 0.0));
    assert_golden("logistic_l1", &lasso, 1e-6);
    let found = solved(&given, Loss::Logistic, &search(4.0, 6.0));
    assert_golden("logistic_elastic_net", &found, 1e-6);
}

#[test]
fn logistic_regression_of_several_classes() {
    let given = given("several");
    let of = |l1, l2| {
        let search = Search {
            tolerance: 1e-9,
            ..search(l1, l2)
        };
        let found = fit_classes(&given.sample(), 3, &search, &mut |_| Flow::GoOn).unwrap();
        assert!(found.converged);
        found
    };
    assert_golden("multinomial", &of(0.0, 1.0 / 0.7), 1e-7);
    let mut lasso = of(10.0, 0.0);
    // saga leaves the free constant of the intercepts where it came to rest.
    let golden = Golden::read("linear").numbers(&["multinomial_l1", "intercepts"]);
    let center = golden.iter().sum::<f64>() / 3.0;
    lasso
        .intercepts
        .iter_mut()
        .for_each(|intercept| *intercept += center);
    assert_golden("multinomial_l1", &lasso, 1e-5);
}

#[test]
fn two_classes_by_softmax_are_logistic_regression_with_half_the_penalty() {
    // The classes' weights mirror each other, so that their squares count twice.
    let given = given("binary");
    let one = solved(&given, Loss::Logistic, &search(0.0, 1.0));
    let two = fit_classes(&given.sample(), 2, &search(0.0, 2.0), &mut |_| Flow::GoOn).unwrap();
    let difference: Vec<f64> = (0..5).map(|j| two.weights[5 + j] - two.weights[j]).collect();
    assert_close(&difference, &one.weights, 1e-7);
}

#[test]
fn generalised_linear_models() {
    for (name, target, power, within) in [
        ("poisson", "counts", 1.0, 1e-8),
        ("gamma", "positive", 2.0, 1e-8),
        ("tweedie_1_5", "claims", 1.5, 1e-8),
        ("inverse_gaussian", "positive", 3.0, 1e-5),
        ("normal_log", "positive", 0.0, 1e-5),
    ] {
        let given = given(target);
        let total: f64 = given.weights.iter().sum();
        let found = solved(&given, Loss::Tweedie { power }, &search(0.0, 0.1 * total));
        assert_golden(name, &found, within);
    }
}

#[test]
fn linear_support_vector_machines() {
    let golden = Golden::read("svm");
    // LIBLINEAR's loss is the whole square, ours half of it: C is 2·0.3.
    let through_0 = Search {
        intercept: false,
        ..search(0.0, 1.0 / 0.6)
    };
    let found = solved(&given("binary"), Loss::SquaredHinge, &through_0);
    assert_close(&found.weights, &golden.numbers(&["linear", "binary"]), 1e-8);
    let found = solved(&given("number"), Loss::SquaredTube { epsilon: 0.5 }, &through_0);
    assert_close(&found.weights, &golden.numbers(&["linear", "number"]), 1e-8);
}

#[test]
fn an_offset_of_log_exposure_is_a_rate_weighted_by_exposure() {
    let mut given = given("exposed");
    let (data, _) = rows();
    let exposure = data.numbers(&["exposure"]);
    given.weights = vec![1.0; exposure.len()];
    let offset: Vec<f64> = exposure.iter().map(|exposure| exposure.ln()).collect();
    let sample = Sample {
        offset: Some(&offset),
        ..given.sample()
    };
    // scikit-learn divides its loss by the sum of exposures, ours is the sum over rows.
    let l2 = 0.1 * exposure.iter().sum::<f64>();
    let loss = Loss::Tweedie { power: 1.0 };
    let found = fit(&sample, loss, &search(0.0, l2), &mut |_| Flow::GoOn).unwrap();
    assert_golden("poisson_rate", &found, 1e-8);
}

#[test]
fn many_columns_give_what_few_do() {
    // Gradients alone come where second derivatives do.
    let given = given("binary");
    let sample = given.sample();
    let objective = Objective {
        sample,
        loss: Loss::Logistic,
        l2: 1.0 / sample.total,
        intercept: true,
    };
    let newton = solved(&given, Loss::Logistic, &search(5.0, 1.0));
    let unit = Unit::of(Loss::Logistic, &sample, 0.5, true).unwrap();
    let search = search(5.0, 1.0);
    let first = smooth(&objective, 5.0 / sample.total, &unit, &search, &mut |_| {
        Flow::GoOn
    })
    .unwrap();
    assert!(first.converged);
    assert_close(&first.at[..5], &newton.weights, 1e-7);
}

#[test]
fn a_search_that_runs_out_of_iterations_says_so() {
    let given = given("binary");
    for l1 in [0.0, 1.0] {
        let short = Search {
            max_iterations: 1,
            ..search(l1, 1.0)
        };
        let found = fit(&given.sample(), Loss::Logistic, &short, &mut |_| Flow::GoOn).unwrap();
        assert!(!found.converged);
        assert_eq!(found.iterations, 1);
    }
}

#[test]
fn a_search_that_is_stopped_says_so() {
    let given = given("number");
    for l1 in [0.0, 1.0] {
        let found = fit(&given.sample(), Loss::Squared, &search(l1, 1.0), &mut |_| {
            Flow::Stop
        });
        assert_eq!(found, Err(ModelError::Stopped));
    }
}
