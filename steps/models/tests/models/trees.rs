//! Forests, single trees and boosting for every task.

use crate::sets::{Set, binary, column, mixed, number, numbers, trained, training};
use serde::Deserialize;
use std::collections::BTreeMap;
use trainyard_models::latency::row_of;
use trainyard_models::random::Random;
use trainyard_models::{
    Algorithm, BoostingLoss, BoostingParams, ClassProbabilities, ClassWeight, Criterion, Direction, Flow,
    ForestParams, Frame, Label, Model, ModelError, Prediction, Predictions, Predictor, StoppingMetric, Task,
    Training, TreeParams, ValidRows, Values, train,
};

fn several(classes: usize) -> Label {
    Label {
        name: "y".into(),
        task: Task::Multiclass {
            classes: (0..classes).map(|class| format!("class {class}")).collect(),
        },
    }
}

/// The class is the third of `x + noise` it lies in, turned round where `city` is set.
fn three_classes(rows: usize, seed: u64) -> Set {
    let mut set = mixed(rows, seed);
    let Some(Values::Numeric(x)) = set.frame.column("x").cloned() else {
        panic!("numbers")
    };
    let Some(Values::Categorical { codes, .. }) = set.frame.column("city").cloned() else {
        panic!("categories")
    };
    let mut random = Random::new(seed + 1_000);
    set.target = x
        .iter()
        .zip(codes)
        .map(|(x, code)| {
            let third = ((x * 0.8 + random.uniform() * 0.2) * 3.0).floor().min(2.0);
            if code == 0 { 2.0 - third } else { third }
        })
        .collect();
    set
}

fn boosting(params: BoostingParams) -> Algorithm {
    Algorithm::GradientBoosting(BoostingParams {
        n_rounds: 60,
        ..params
    })
}

fn forest() -> ForestParams {
    ForestParams {
        n_trees: 60,
        min_leaf: 3,
        ..ForestParams::default()
    }
}

fn classes_of(model: &Model, frame: &Frame) -> ClassProbabilities {
    model.predict(frame).unwrap().classes().unwrap().clone()
}

fn accuracy(model: &Model, set: &Set) -> f64 {
    let right = match model.predict(&set.frame).unwrap() {
        Predictions::Classes(classes) => classes
            .most_probable()
            .iter()
            .zip(&set.target)
            .filter(|(class, target)| **class as f64 == **target)
            .count(),
        other => other
            .numbers()
            .unwrap()
            .iter()
            .zip(&set.target)
            .filter(|(p, target)| f64::from(u8::from(**p > 0.5)) == **target)
            .count(),
    };
    right as f64 / set.target.len() as f64
}

fn for_classes() -> Vec<Algorithm> {
    vec![
        boosting(BoostingParams::default()),
        Algorithm::RandomForest(forest()),
        Algorithm::RandomForest(ForestParams {
            criterion: Criterion::Entropy,
            ..forest()
        }),
        Algorithm::ExtraTrees(ForestParams {
            min_leaf: 3,
            feature_share: Some(1.0),
            ..ForestParams::extra_trees()
        }),
        Algorithm::DecisionTree(TreeParams::default()),
    ]
}

#[test]
fn several_classes_are_told_apart_by_every_kind_of_tree() {
    let (set, test) = (three_classes(4_000, 61), three_classes(2_000, 62));
    for algorithm in for_classes() {
        let model = trained(algorithm, several(3), &set);
        let found = accuracy(&model, &test);
        assert!(found > 0.80, "{}: {found}", model.algorithm().name());
        let probabilities = classes_of(&model, &test.frame);
        assert_eq!((probabilities.rows(), probabilities.classes()), (2_000, 3));
        for (row, shares) in probabilities.iter().enumerate().step_by(173) {
            assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let alone = model
                .predict_row(&row_of(&model, &test.frame, row).unwrap())
                .unwrap();
            assert_eq!(alone, Prediction::Classes(shares.to_vec()));
        }
        let relied_on = model.training_importance();
        assert!(relied_on[0].1 > relied_on[2].1, "{relied_on:?}");
    }
}

#[test]
fn a_class_without_training_rows_is_hardly_ever_predicted() {
    let set = three_classes(2_000, 63);
    for algorithm in for_classes() {
        let model = trained(algorithm, several(4), &set);
        let share = classes_of(&model, &set.frame).column(3);
        assert!(
            share.iter().all(|share| *share < 1e-3),
            "{}",
            model.algorithm().name()
        );
    }
}

#[test]
fn classes_that_are_not_there_are_refused() {
    let set = three_classes(100, 64);
    let go = &mut |_: trainyard_models::Progress<'_>| Flow::GoOn;
    let algorithm = || Algorithm::RandomForest(forest());
    let two = train(&training(algorithm(), several(2), &set), go);
    assert!(matches!(two, Err(ModelError::NotAClass { classes: 2, .. })));
    let twos = vec![2.0; 100];
    let one = Training {
        target: &twos,
        ..training(algorithm(), several(3), &set)
    };
    assert_eq!(train(&one, go), Err(ModelError::OneClass));
    let clusters = Label {
        name: "cluster".into(),
        task: Task::Cluster,
    };
    let clusters = Training {
        target: &[],
        ..training(algorithm(), clusters, &set)
    };
    assert!(matches!(train(&clusters, go), Err(ModelError::WrongTask { .. })));
}

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    criterion: String,
    classes: usize,
    weighted: bool,
    alpha: f64,
    leaves: usize,
    predictions: Vec<Vec<f64>>,
}

/// The rows of golden/trees.py.
fn by_formula() -> (Frame, Vec<f64>, Vec<f64>) {
    let (mut x, mut z, mut u, mut number, mut class) = (vec![], vec![], vec![], vec![], vec![]);
    for i in 0..200u32 {
        let (xi, zi) = (f64::from(i * 37 % 211) / 10.0, f64::from(i * 53 % 223) / 7.0);
        let ui = f64::from(i * 101 % 227) / 3.0;
        let of_u = if ui > 40.0 { 3.0 } else { 0.0 };
        number.push(2.0 * xi - 0.5 * zi + of_u + f64::from(i * 11 % 13) / 13.0);
        let count = u8::from(xi > 9.0) + u8::from(zi > 20.0) + u8::from(i * 29 % 31 < 5);
        class.push(f64::from(count % 3));
        x.push(xi);
        z.push(zi);
        u.push(ui);
    }
    let frame = Frame::new(vec![
        column("x", Values::Numeric(x)),
        column("z", Values::Numeric(z)),
        column("u", Values::Numeric(u)),
    ])
    .unwrap();
    (frame, number, class)
}

#[test]
fn single_trees_are_those_of_scikit_learn_with_every_criterion_weight_and_pruning() {
    let golden: Golden = serde_json::from_str(include_str!("golden/trees.json")).unwrap();
    assert!(golden.cases.len() >= 20);
    let (frame, number_target, class) = by_formula();
    let weights: Vec<f64> = (0..200u32).map(|i| f64::from(1 + i % 3)).collect();
    for case in golden.cases {
        let (label, target) = match case.classes {
            0 => (number(), number_target.clone()),
            2 => (
                binary(),
                class.iter().map(|c| f64::from(u8::from(*c > 0.0))).collect(),
            ),
            _ => (several(3), class.clone()),
        };
        let params = TreeParams {
            criterion: if case.criterion == "entropy" {
                Criterion::Entropy
            } else {
                Criterion::Gini
            },
            min_leaf: 5,
            max_depth: Some(5),
            pruning: case.alpha,
            ..TreeParams::default()
        };
        let set = Set {
            frame: frame.clone(),
            target,
            odds: vec![],
        };
        let training = Training {
            weights: case.weighted.then_some(weights.as_slice()),
            ..training(Algorithm::DecisionTree(params), label, &set)
        };
        let model = train(&training, &mut |_| Flow::GoOn).unwrap();
        let what = format!(
            "{} of {} classes, weighted {}, pruned at {}",
            case.criterion, case.classes, case.weighted, case.alpha
        );
        let found: Vec<Vec<f64>> = match model.predict(&frame).unwrap() {
            Predictions::Classes(classes) => classes.iter().map(<[f64]>::to_vec).collect(),
            other if case.classes == 2 => other
                .numbers()
                .unwrap()
                .iter()
                .map(|p| vec![1.0 - p, *p])
                .collect(),
            other => other
                .numbers()
                .unwrap()
                .iter()
                .map(|value| vec![*value])
                .collect(),
        };
        assert_eq!(model.leaves(), case.leaves, "{what}");
        for (found, expected) in found.iter().step_by(17).zip(&case.predictions) {
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-9,
                    "{what}: {found} is not {expected}"
                );
            }
        }
    }
}

#[test]
fn a_tree_of_weight_two_is_that_of_rows_that_stand_twice() {
    // Few enough rows for a bin each: bins are cut by rows, not by weight.
    let set = three_classes(200, 65);
    let rows: Vec<usize> = (0..200)
        .flat_map(|row| std::iter::repeat_n(row, 1 + row % 2))
        .collect();
    let weights: Vec<f64> = (0..200).map(|row| f64::from(1 + row % 2)).collect();
    let doubled = Set {
        frame: set.frame.take(&rows).unwrap(),
        target: rows.iter().map(|&row| set.target[row]).collect(),
        odds: vec![],
    };
    for criterion in [Criterion::Gini, Criterion::Entropy] {
        let algorithm = || {
            Algorithm::DecisionTree(TreeParams {
                criterion,
                min_leaf: 1,
                max_depth: Some(6),
                ..TreeParams::default()
            })
        };
        let weighted = Training {
            weights: Some(&weights),
            ..training(algorithm(), several(3), &set)
        };
        let weighted = train(&weighted, &mut |_| Flow::GoOn).unwrap();
        let twice = trained(algorithm(), several(3), &doubled);
        assert!(weighted.predict(&set.frame).unwrap() == twice.predict(&set.frame).unwrap());
    }
}

#[test]
fn the_out_of_bag_score_is_that_of_fresh_rows() {
    for (label, set, test) in [
        (binary(), mixed(3_000, 66), mixed(3_000, 67)),
        (several(3), three_classes(3_000, 68), three_classes(3_000, 69)),
    ] {
        let params = ForestParams {
            oob_score: true,
            ..forest()
        };
        let model = trained(Algorithm::RandomForest(params), label, &set);
        let found = model.summary().oob_score.unwrap();
        let fresh = accuracy(&model, &test);
        assert!((found - fresh).abs() < 0.03, "{found} beside {fresh}");
    }
    let set = mixed(500, 70);
    let without = ForestParams {
        oob_score: true,
        ..ForestParams::extra_trees()
    };
    let refused = train(
        &training(Algorithm::ExtraTrees(without), binary(), &set),
        &mut |_| Flow::GoOn,
    );
    assert!(matches!(
        refused,
        Err(ModelError::Parameter {
            name: "oob_score",
            ..
        })
    ));
}

#[test]
fn balanced_classes_find_more_of_the_rare_one() {
    let mut set = mixed(4_000, 71);
    // One positive in twenty.
    let mut random = Random::new(5);
    for label in &mut set.target {
        if random.uniform() > 0.1 {
            *label = 0.0;
        }
    }
    let found = |algorithm: Algorithm, class_weight: ClassWeight| {
        let training = Training {
            class_weight,
            ..training(algorithm, binary(), &set)
        };
        let model = train(&training, &mut |_| Flow::GoOn).unwrap();
        numbers(&model, &set.frame).iter().filter(|p| **p > 0.5).count()
    };
    let plain = found(
        Algorithm::RandomForest(ForestParams::default()),
        ClassWeight::None,
    );
    for class_weight in [ClassWeight::Balanced, ClassWeight::BalancedSubsample] {
        let balanced = found(
            Algorithm::RandomForest(ForestParams::default()),
            class_weight.clone(),
        );
        assert!(
            balanced > plain + 400,
            "{class_weight:?}: {balanced} after {plain}"
        );
    }
    let boosted = |class_weight| found(boosting(BoostingParams::default()), class_weight);
    assert!(boosted(ClassWeight::Balanced) > boosted(ClassWeight::None) + 400);
    assert_eq!(
        boosted(ClassWeight::Given(vec![1.0, 1.0])),
        boosted(ClassWeight::None)
    );
}

/// `y = exp(x) · noise`, the noise having mean 1, median 0.83 and a 90 % quantile near 2.2.
fn sizes(rows: usize, seed: u64) -> Set {
    let mut random = Random::new(seed);
    let x: Vec<f64> = (0..rows).map(|_| random.uniform() * 3.0 - 1.0).collect();
    let target = x
        .iter()
        .map(|x| {
            let parts: f64 = (0..2).map(|_| -(1.0 - random.uniform()).ln()).sum();
            x.exp() * parts / 2.0
        })
        .collect();
    Set {
        frame: Frame::new(vec![column("x", Values::Numeric(x))]).unwrap(),
        target,
        odds: vec![],
    }
}

fn of_loss(loss: BoostingLoss) -> Algorithm {
    boosting(BoostingParams {
        loss,
        num_leaves: 8,
        min_leaf: 100,
        ..BoostingParams::default()
    })
}

#[test]
fn each_loss_predicts_what_it_stands_for() {
    let (set, test) = (sizes(12_000, 72), sizes(6_000, 73));
    let count = test.target.len() as f64;
    let below = |loss| {
        let predictions = numbers(&trained(of_loss(loss), number(), &set), &test.frame);
        let below = predictions
            .iter()
            .zip(&test.target)
            .filter(|(p, y)| y < p)
            .count();
        below as f64 / count
    };
    for level in [0.1, 0.5, 0.9] {
        let found = below(BoostingLoss::Quantile { level });
        assert!((found - level).abs() < 0.025, "{level}: {found}");
    }
    let found = below(BoostingLoss::AbsoluteError);
    assert!((found - 0.5).abs() < 0.025, "{found}");
    let mean = test.target.iter().sum::<f64>() / count;
    for loss in [
        BoostingLoss::SquaredError,
        BoostingLoss::Poisson,
        BoostingLoss::Gamma,
        BoostingLoss::Tweedie { power: 1.5 },
    ] {
        let predictions = numbers(&trained(of_loss(loss), number(), &set), &test.frame);
        let found = predictions.iter().sum::<f64>() / count;
        assert!((found / mean - 1.0).abs() < 0.05, "{loss:?}: {found} for {mean}");
        let Some(Values::Numeric(x)) = test.frame.column("x") else {
            panic!("numbers")
        };
        let far = predictions
            .iter()
            .zip(x)
            .filter(|(p, x)| (**p / x.exp() - 1.0).abs() > 0.3)
            .count();
        assert!((far as f64) < 0.1 * count, "{loss:?}: {far} far off");
    }
}

#[test]
fn huber_is_moved_less_by_wild_values_than_the_squared_error() {
    let mut set = sizes(4_000, 74);
    let clean = sizes(4_000, 75);
    for label in set.target.iter_mut().step_by(50) {
        *label += 500.0;
    }
    let error = |loss| {
        let predictions = numbers(&trained(of_loss(loss), number(), &set), &clean.frame);
        predictions
            .iter()
            .zip(&clean.target)
            .map(|(p, y)| (p - y).abs())
            .sum::<f64>()
    };
    let (huber, squared) = (
        error(BoostingLoss::Huber { delta: 1.0 }),
        error(BoostingLoss::SquaredError),
    );
    assert!(huber < 0.6 * squared, "{huber} beside {squared}");
}

#[test]
fn labels_and_parameters_a_loss_is_not_defined_for_are_refused() {
    let mut set = sizes(200, 76);
    set.target[17] = -1.0;
    let go = &mut |_: trainyard_models::Progress<'_>| Flow::GoOn;
    for loss in [
        BoostingLoss::Poisson,
        BoostingLoss::Gamma,
        BoostingLoss::Tweedie { power: 1.5 },
    ] {
        let refused = train(&training(of_loss(loss), number(), &set), go);
        assert!(
            matches!(refused, Err(ModelError::LabelRange { row: 17, .. })),
            "{loss:?}"
        );
    }
    for loss in [
        BoostingLoss::Quantile { level: 1.0 },
        BoostingLoss::Huber { delta: 0.0 },
        BoostingLoss::Tweedie { power: 2.0 },
    ] {
        let refused = train(&training(of_loss(loss), number(), &set), go);
        assert!(
            matches!(refused, Err(ModelError::Parameter { name: "loss", .. })),
            "{loss:?}"
        );
    }
}

#[test]
fn a_monotone_feature_never_turns_the_prediction() {
    // The label falls where x is in its middle: without the constraint so does the prediction.
    let mut random = Random::new(77);
    let x: Vec<f64> = (0..4_000).map(|_| random.uniform()).collect();
    let z: Vec<f64> = (0..4_000).map(|_| random.uniform()).collect();
    let target: Vec<f64> = x
        .iter()
        .zip(&z)
        .map(|(x, z)| x + 0.5 * (9.0 * x).sin() - z + (7.0 * z).cos() * x + 0.2 * random.uniform())
        .collect();
    let frame = |x: Vec<f64>, z: Vec<f64>| {
        Frame::new(vec![
            column("x", Values::Numeric(x)),
            column("z", Values::Numeric(z)),
        ])
        .unwrap()
    };
    let set = Set {
        frame: frame(x, z),
        target,
        odds: vec![],
    };
    let turns = |model: &Model, rising: bool| {
        let mut turns = 0;
        for z in 0..10 {
            let grid: Vec<f64> = (0..200).map(|x| f64::from(x) / 200.0).collect();
            let predictions = numbers(model, &frame(grid, vec![f64::from(z) / 10.0; 200]));
            turns += predictions
                .windows(2)
                .filter(|pair| {
                    if rising {
                        pair[1] < pair[0]
                    } else {
                        pair[1] > pair[0]
                    }
                })
                .count();
        }
        turns
    };
    let with = |monotone: BTreeMap<String, Direction>, loss| {
        let params = BoostingParams {
            monotone,
            loss,
            ..BoostingParams::default()
        };
        train(&training(boosting(params), number(), &set), &mut |_| Flow::GoOn)
    };
    let free = with(BTreeMap::new(), BoostingLoss::SquaredError).unwrap();
    assert!(turns(&free, true) > 10);
    let one = |name: &str, direction| BTreeMap::from([(name.to_owned(), direction)]);
    let rising = with(one("x", Direction::Increasing), BoostingLoss::SquaredError).unwrap();
    assert_eq!(turns(&rising, true), 0);
    let falling = with(
        one("x", Direction::Decreasing),
        BoostingLoss::Huber { delta: 0.5 },
    )
    .unwrap();
    assert_eq!(turns(&falling, false), 0);
    for refused in [
        with(one("y", Direction::Increasing), BoostingLoss::SquaredError),
        with(one("x", Direction::Increasing), BoostingLoss::AbsoluteError),
    ] {
        assert!(matches!(
            refused,
            Err(ModelError::Parameter { name: "monotone", .. })
        ));
    }
}

#[test]
fn penalties_make_predictions_smaller() {
    let set = mixed(1_000, 78);
    let spread = |params: BoostingParams| {
        let predictions = numbers(&trained(boosting(params), binary(), &set), &set.frame);
        predictions.iter().map(|p| (p - 0.5).abs()).sum::<f64>()
    };
    let plain = spread(BoostingParams::default());
    let l1 = spread(BoostingParams {
        l1: 5.0,
        ..BoostingParams::default()
    });
    let l2 = spread(BoostingParams {
        l2: 50.0,
        ..BoostingParams::default()
    });
    assert!(l1 < plain && l2 < plain, "{l1} and {l2} beside {plain}");
    let nothing = trained(
        boosting(BoostingParams {
            l1: 1e6,
            ..BoostingParams::default()
        }),
        binary(),
        &set,
    );
    assert_eq!(nothing.depth(), 0);
}

#[test]
fn early_stopping_looks_at_the_metric_it_is_told_to() {
    let (set, valid) = (three_classes(1_500, 79), three_classes(1_500, 80));
    let weights: Vec<f64> = (0..1_500).map(|row| f64::from(row % 3)).collect();
    let params = BoostingParams {
        n_rounds: 200,
        early_stopping_rounds: Some(5),
        stopping_metric: StoppingMetric::ErrorRate,
        ..BoostingParams::default()
    };
    let with = |params: BoostingParams, weights: Option<&[f64]>| {
        let mut training = training(Algorithm::GradientBoosting(params), several(3), &set);
        training.valid = Some(ValidRows {
            frame: &valid.frame,
            target: &valid.target,
            weights,
        });
        let mut seen = Vec::new();
        let model = train(&training, &mut |progress| {
            let Some(Predictions::Classes(so_far)) = progress.valid.map(|valid| valid.predictions()) else {
                panic!("predictions of classes")
            };
            seen.push((progress.valid_metric.unwrap(), so_far));
            Flow::GoOn
        });
        (model, seen)
    };
    let (model, seen) = with(params.clone(), None);
    let model = model.unwrap();
    let rounds = model.summary().rounds as usize;
    assert_eq!((seen.len(), model.trees()), (rounds + 5, 3 * rounds));
    let (metric, so_far) = &seen[rounds - 1];
    assert_eq!(model.summary().valid_metric, Some(*metric));
    assert!((1.0 - accuracy(&model, &valid) - metric).abs() < 1e-12);
    let predictions = classes_of(&model, &valid.frame);
    for (found, expected) in predictions.values().iter().zip(so_far.values()) {
        assert!((found - expected).abs() < 1e-9);
    }
    let (_, weighted) = with(params.clone(), Some(&weights));
    assert_ne!(weighted[3].0, seen[3].0);
    let of_two = BoostingParams {
        stopping_metric: StoppingMetric::RocAuc,
        ..params
    };
    assert!(matches!(
        with(of_two, None).0,
        Err(ModelError::Parameter {
            name: "stopping_metric",
            ..
        })
    ));
}
