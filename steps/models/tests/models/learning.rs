use crate::sets::{Set, binary, column, mixed, number, numbers, trained, training};
use trainyard_models::frame::categorical;
use trainyard_models::importance::permutation_importance;
use trainyard_models::latency::{measure_latency, row_of};
use trainyard_models::metrics::{log_loss, mean_absolute_error, r2, roc_auc, root_mean_squared_error};
use trainyard_models::{
    Algorithm, BoostingParams, Flow, ForestParams, Frame, LinearParams, ModelError, Prediction, Predictions,
    Predictor, Training, TreeParams, ValidRows, Value, Values, train,
};

fn boosting() -> Algorithm {
    Algorithm::GradientBoosting(BoostingParams {
        n_rounds: 40,
        ..BoostingParams::default()
    })
}

fn auc(predictions: &Predictions, target: &[f64]) -> Result<f64, ModelError> {
    roc_auc(predictions.numbers()?, target)
}

fn all_for_classes() -> [Algorithm; 4] {
    [
        boosting(),
        Algorithm::RandomForest(ForestParams {
            n_trees: 40,
            ..ForestParams::default()
        }),
        Algorithm::DecisionTree(TreeParams {
            max_depth: Some(5),
            ..TreeParams::default()
        }),
        Algorithm::LogisticRegression(LinearParams::logistic()),
    ]
}

#[test]
fn every_classifier_comes_near_the_best_that_can_be_known() {
    let (set, test) = (mixed(6_000, 1), mixed(4_000, 2));
    // No ranking is better than that by the odds the labels were drawn with.
    let best = roc_auc(&test.odds, &test.target).unwrap();
    for algorithm in all_for_classes() {
        let model = trained(algorithm, binary(), &set);
        let auc = roc_auc(&numbers(&model, &test.frame), &test.target).unwrap();
        assert!(
            auc > best - 0.025,
            "{} has {auc} of {best}",
            model.algorithm().name()
        );
    }
}

/// Rows by formula, so that scikit-learn can have the same: for `i` in 0..200
/// `x = (i·37 % 101)/10`, `z = (i·53 % 89)/7 − 3`, `c = i·17 % 3`,
/// `y = ((i·29 % 31)/31 < 1/(1 + exp(−(0.4x − 2 + 0.3z·[c = 1]))))`,
/// `t = 2x − z/2 + 3·[c = 2] + (i·11 % 13)/13`.
fn by_formula() -> (Frame, Vec<f64>, Vec<f64>) {
    let (mut x, mut z, mut c, mut y, mut t) = (vec![], vec![], vec![], vec![], vec![]);
    for i in 0..200u32 {
        let (xi, zi, ci) = (
            f64::from(i * 37 % 101) / 10.0,
            f64::from(i * 53 % 89) / 7.0 - 3.0,
            i * 17 % 3,
        );
        let odds = 0.4 * xi - 2.0 + if ci == 1 { 0.3 * zi } else { 0.0 };
        y.push(f64::from(u8::from(
            f64::from(i * 29 % 31) / 31.0 < 1.0 / (1.0 + (-odds).exp()),
        )));
        t.push(2.0 * xi - 0.5 * zi + if ci == 2 { 3.0 } else { 0.0 } + f64::from(i * 11 % 13) / 13.0);
        x.push(xi);
        z.push(zi);
        c.push(Some(["p", "q", "r"][ci as usize]));
    }
    let frame = Frame::new(vec![
        column("x", Values::Numeric(x)),
        column("z", Values::Numeric(z)),
        column("c", categorical(c)),
    ])
    .unwrap();
    (frame, y, t)
}

fn close(found: &[f64], expected: &[f64], within: f64) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < within, "{found} is not {expected}");
    }
}

#[test]
fn logistic_regression_predicts_what_scikit_learn_does() {
    // LogisticRegression(C=1, tol=1e-12) on StandardScaler'd x, z and one-hot c; scikit-learn 1.9.
    let (frame, y, _) = by_formula();
    let algorithm = Algorithm::LogisticRegression(LinearParams {
        tolerance: 1e-9,
        ..LinearParams::logistic()
    });
    let model = trained(
        algorithm,
        binary(),
        &Set {
            frame,
            target: y,
            odds: vec![],
        },
    );
    let (frame, ..) = by_formula();
    let expected = [
        0.135_458_476_177_606_8,
        0.420_219_188_290_793_6,
        0.826_205_672_364_174_6,
        0.303_488_278_855_162_1,
        0.459_749_699_039_671_6,
    ];
    close(&numbers(&model, &frame), &expected.map(|p| p), 1e-6);
}

#[test]
fn linear_and_ridge_regression_predict_what_scikit_learn_does() {
    // LinearRegression() and Ridge(alpha=2) on the same columns; scikit-learn 1.9.
    let (frame, _, t) = by_formula();
    let set = Set {
        frame,
        target: t,
        odds: vec![],
    };
    let plain = trained(
        Algorithm::LinearRegression(LinearParams::least_squares()),
        number(),
        &set,
    );
    let expected = [
        1.944_770_273_845_028_5,
        8.576_174_372_560_036,
        15.559_114_153_111_253,
        -1.056_878_511_286_726,
        11.937_301_679_560_758,
    ];
    close(&numbers(&plain, &set.frame), &expected, 1e-8);
    let ridge = Algorithm::LinearRegression(LinearParams {
        l2: 2.0,
        ..LinearParams::least_squares()
    });
    let predictions = numbers(&trained(ridge, number(), &set), &set.frame);
    let expected = [
        2.036_690_307_572_501,
        8.551_619_029_293_267,
        15.518_052_575_096_87,
        -0.926_633_120_729_189_1,
        11.876_909_624_050_9,
    ];
    close(&predictions, &expected, 1e-8);
    close(
        &[root_mean_squared_error(&predictions, &set.target).unwrap()],
        &[0.297_126_628_573_033_24],
        1e-8,
    );
    close(
        &[mean_absolute_error(&predictions, &set.target).unwrap()],
        &[0.254_347_913_978_627_16],
        1e-8,
    );
    close(
        &[r2(&predictions, &set.target).unwrap()],
        &[0.997_731_604_835_017],
        1e-8,
    );
}

#[test]
fn boosting_trees_and_forests_fit_numbers_too() {
    let (frame, _, t) = by_formula();
    let set = Set {
        frame,
        target: t,
        odds: vec![],
    };
    let params = BoostingParams {
        n_rounds: 200,
        min_leaf: 5,
        ..BoostingParams::default()
    };
    let boosted = trained(Algorithm::GradientBoosting(params), number(), &set);
    assert!(r2(&numbers(&boosted, &set.frame), &set.target).unwrap() > 0.99);
    let params = ForestParams {
        min_leaf: 3,
        feature_share: Some(1.0),
        ..ForestParams::default()
    };
    let forest = trained(Algorithm::RandomForest(params), number(), &set);
    assert!(r2(&numbers(&forest, &set.frame), &set.target).unwrap() > 0.9);
}

#[test]
fn one_tree_of_two_leaves_predicts_the_means_of_both_sides() {
    // By hand: below 3.5 no row is positive, above it two of three are.
    let frame = Frame::new(vec![column(
        "x",
        Values::Numeric([1.0, 2.0, 3.0, 4.0, 5.0, 6.0].repeat(10)),
    )])
    .unwrap();
    let set = Set {
        frame,
        target: [0.0, 0.0, 0.0, 1.0, 1.0, 0.0].repeat(10),
        odds: vec![],
    };
    let params = TreeParams {
        min_leaf: 30,
        max_depth: Some(1),
        ..TreeParams::default()
    };
    let model = trained(Algorithm::DecisionTree(params), binary(), &set);
    let predictions = numbers(&model, &set.frame);
    assert_eq!(predictions[0], 0.0);
    assert!((predictions[5] - 2.0 / 3.0).abs() < 1e-7);
    assert_eq!(model.depth(), 1);
}

#[test]
fn more_rounds_never_raise_the_training_loss() {
    let set = mixed(2_000, 3);
    let mut last = f64::INFINITY;
    for n_rounds in [1, 5, 20, 80] {
        let params = BoostingParams {
            n_rounds,
            ..BoostingParams::default()
        };
        let model = trained(Algorithm::GradientBoosting(params), binary(), &set);
        let loss = log_loss(&numbers(&model, &set.frame), &set.target).unwrap();
        assert!(loss < last, "{n_rounds} rounds: {loss} after {last}");
        last = loss;
    }
}

#[test]
fn trees_do_not_change_when_a_number_is_measured_on_another_rising_scale() {
    let set = mixed(2_000, 4);
    let Some(Values::Numeric(x)) = set.frame.column("x") else {
        panic!("numbers")
    };
    let cubes = x.iter().map(|x| x.powi(3) * 1e6 - 5.0).collect();
    let scaled = set.frame.with_column("x", Values::Numeric(cubes)).unwrap();
    let model = trained(boosting(), binary(), &set);
    let other = trained(
        boosting(),
        binary(),
        &Set {
            frame: scaled.clone(),
            target: set.target.clone(),
            odds: vec![],
        },
    );
    assert_eq!(numbers(&model, &set.frame), numbers(&other, &scaled));
}

#[test]
fn a_weight_of_two_is_the_same_as_standing_twice_for_logistic_regression() {
    let set = mixed(500, 5);
    let weights: Vec<f64> = (0..500).map(|row| if row % 3 == 0 { 2.0 } else { 1.0 }).collect();
    let rows: Vec<usize> = (0..500)
        .flat_map(|row| std::iter::repeat_n(row, if row % 3 == 0 { 2 } else { 1 }))
        .collect();
    // Scaling is fitted on rows, not weights; without a penalty it cancels.
    let algorithm = Algorithm::LogisticRegression(LinearParams {
        l2: 0.0,
        tolerance: 1e-9,
        ..LinearParams::logistic()
    });
    let weighted = Training {
        weights: Some(&weights),
        ..training(algorithm.clone(), binary(), &set)
    };
    let weighted = train(&weighted, &mut |_| Flow::GoOn).unwrap();
    let doubled = Set {
        frame: set.frame.take(&rows).unwrap(),
        target: rows.iter().map(|&row| set.target[row]).collect(),
        odds: vec![],
    };
    let doubled = trained(algorithm, binary(), &doubled);
    close(
        &numbers(&weighted, &set.frame),
        &numbers(&doubled, &set.frame),
        1e-6,
    );
}

#[test]
fn missing_unseen_infinite_and_constant_values_are_all_predicted() {
    let set = mixed(1_000, 6);
    let mut columns = set.frame.columns().to_vec();
    columns.push(column("constant", Values::Numeric(vec![3.0; 1_000])));
    columns.push(column("never", Values::Numeric(vec![f64::NAN; 1_000])));
    columns.push(column("one", categorical((0..1_000).map(|_| Some("only")))));
    let set = Set {
        frame: Frame::new(columns).unwrap(),
        ..set
    };
    for algorithm in all_for_classes() {
        let model = trained(algorithm, binary(), &set);
        for x in [
            Value::Number(f64::INFINITY),
            Value::Number(f64::NEG_INFINITY),
            Value::Missing,
        ] {
            for city in [
                Value::Category("never seen"),
                Value::Missing,
                Value::Category("a"),
            ] {
                let row = [
                    x,
                    Value::Missing,
                    Value::Number(0.5),
                    city,
                    Value::Number(9.0),
                    x,
                    Value::Category("other"),
                ];
                let Prediction::Number(probability) = model.predict_row(&row).unwrap() else {
                    panic!("one number")
                };
                assert!((0.0..=1.0).contains(&probability), "{}", model.algorithm().name());
            }
        }
    }
}

#[test]
fn one_row_at_a_time_gives_what_all_rows_at_once_give() {
    let set = mixed(3_000, 8);
    for algorithm in all_for_classes() {
        let model = trained(algorithm, binary(), &set);
        let predictions = numbers(&model, &set.frame);
        for row in (0..3_000).step_by(97) {
            let alone = model
                .predict_row(&row_of(&model, &set.frame, row).unwrap())
                .unwrap();
            assert_eq!(
                alone,
                Prediction::Number(predictions[row]),
                "{} row {row}",
                model.algorithm().name()
            );
        }
    }
}

#[test]
fn early_stopping_keeps_the_best_round() {
    let (set, valid) = (mixed(1_500, 9), mixed(1_500, 10));
    let params = BoostingParams {
        n_rounds: 300,
        early_stopping_rounds: Some(10),
        ..BoostingParams::default()
    };
    let mut metrics = Vec::new();
    let mut training = training(Algorithm::GradientBoosting(params), binary(), &set);
    training.valid = Some(ValidRows {
        frame: &valid.frame,
        target: &valid.target,
        weights: None,
    });
    let model = train(&training, &mut |progress| {
        metrics.extend(progress.valid_metric);
        Flow::GoOn
    })
    .unwrap();
    let best = metrics.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(metrics.len(), model.trees() + 10);
    assert_eq!(metrics[model.trees() - 1], best);
    assert_eq!(model.summary().valid_metric, Some(best));
    let loss = log_loss(&numbers(&model, &valid.frame), &valid.target).unwrap();
    assert!((loss - best).abs() < 1e-9);
}

#[test]
fn limits_on_leaves_and_depth_are_kept() {
    let set = mixed(3_000, 11);
    let params = BoostingParams {
        n_rounds: 10,
        max_depth: Some(3),
        ..BoostingParams::default()
    };
    assert!(trained(Algorithm::GradientBoosting(params), binary(), &set).depth() <= 3);
    let params = BoostingParams {
        n_rounds: 10,
        num_leaves: 2,
        ..BoostingParams::default()
    };
    assert_eq!(
        trained(Algorithm::GradientBoosting(params), binary(), &set).depth(),
        1
    );
}

#[test]
fn training_that_is_stopped_says_so() {
    let set = mixed(500, 12);
    let stopped = train(&training(boosting(), binary(), &set), &mut |progress| {
        if progress.done == 3 {
            Flow::Stop
        } else {
            Flow::GoOn
        }
    });
    assert_eq!(stopped, Err(ModelError::Stopped));
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let set = mixed(100, 13);
    let go = &mut |_: trainyard_models::Progress<'_>| Flow::GoOn;
    let ones = vec![1.0; 100];
    let one_class = Training {
        target: &ones,
        ..training(boosting(), binary(), &set)
    };
    assert_eq!(train(&one_class, go), Err(ModelError::OneClass));
    let twos = vec![2.0; 100];
    let not_binary = Training {
        target: &twos,
        ..training(boosting(), binary(), &set)
    };
    assert!(matches!(
        train(&not_binary, go),
        Err(ModelError::NotBinary { .. })
    ));
    let wrong = training(
        Algorithm::LinearRegression(LinearParams::least_squares()),
        binary(),
        &set,
    );
    assert!(matches!(train(&wrong, go), Err(ModelError::WrongTask { .. })));
    let params = BoostingParams {
        learning_rate: 0.0,
        ..BoostingParams::default()
    };
    let rate = training(Algorithm::GradientBoosting(params), binary(), &set);
    assert!(matches!(
        train(&rate, go),
        Err(ModelError::Parameter {
            name: "learning_rate",
            ..
        })
    ));
    let none = Frame::new(vec![]).unwrap();
    let no_features = Training {
        frame: &none,
        ..training(boosting(), binary(), &set)
    };
    assert_eq!(train(&no_features, go), Err(ModelError::NoFeatures));
}

#[test]
fn importance_names_what_matters_and_not_the_noise() {
    let (set, test) = (mixed(5_000, 14), mixed(3_000, 15));
    let model = trained(boosting(), binary(), &set);
    let found = permutation_importance(&model, &test.frame, &test.target, 3, 1, auc).unwrap();
    assert_eq!(found.len(), 4);
    assert_eq!(found[3].feature, "noise");
    assert!(found[3].drop.abs() < 0.01 && found[0].drop > 0.03);
    assert_eq!(
        found,
        permutation_importance(&model, &test.frame, &test.target, 3, 1, auc).unwrap()
    );
    let in_training = model.training_importance();
    assert!((in_training.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-9);
}

#[test]
fn latency_is_measured_on_as_many_rows_as_asked() {
    let set = mixed(50, 16);
    let model = trained(boosting(), binary(), &set);
    let latency = measure_latency(&model, &set.frame, 200).unwrap();
    assert_eq!(latency.rows, 200);
    assert!(latency.p50 <= latency.p99 && latency.p99.as_nanos() > 0);
}
