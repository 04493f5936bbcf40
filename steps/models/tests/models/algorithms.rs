//! What every algorithm that is not a tree must do, seen from outside.

use crate::sets::{Set, binary, column, mixed, number, numbers, trained, training};
use trainyard_models::latency::row_of;
use trainyard_models::metrics::{r2, roc_auc};
use trainyard_models::{
    Algorithm, ElasticNetParams, Family, Flow, Frame, GlmParams, KernelKind, Label, LassoParams,
    LinearParams, LinearSvmParams, Model, ModelError, NaiveBayesParams, NeighborWeights, NeighborsParams,
    NumberModel, Prediction, Predictions, Predictor, RidgeParams, SvmParams, Task, Training, Values, train,
};

/// Classes of [`mixed`]: low, middling and high odds, one row in six at random.
pub(crate) fn several(rows: usize, seed: u64) -> Set {
    let mut set = mixed(rows, seed);
    for (row, (target, odds)) in set.target.iter_mut().zip(&set.odds).enumerate() {
        *target = match row % 6 {
            0 => (row / 6 % 3) as f64,
            _ if *odds < -0.6 => 0.0,
            _ if *odds < 0.8 => 1.0,
            _ => 2.0,
        };
    }
    set
}

/// Numbers of [`mixed`]: the odds and a little of what nothing tells.
pub(crate) fn amounts(rows: usize, seed: u64) -> Set {
    let mut set = mixed(rows, seed);
    for (row, (target, odds)) in set.target.iter_mut().zip(&set.odds).enumerate() {
        *target = (0.5 * odds).exp() * (1.0 + (row * 7 % 13) as f64 / 26.0);
    }
    set
}

pub(crate) fn three() -> Label {
    Label {
        name: "y".into(),
        task: Task::Multiclass {
            classes: vec!["low".into(), "middle".into(), "high".into()],
        },
    }
}

pub(crate) fn for_classes() -> Vec<Algorithm> {
    vec![
        Algorithm::LogisticRegression(LinearParams::logistic()),
        Algorithm::LogisticRegression(LinearParams {
            l1: 2.0,
            l2: 0.5,
            ..LinearParams::logistic()
        }),
        Algorithm::LinearSvm(LinearSvmParams::default()),
        Algorithm::Svm(SvmParams::default()),
        Algorithm::NaiveBayes(NaiveBayesParams::default()),
        Algorithm::NearestNeighbors(NeighborsParams {
            n_neighbors: 25,
            weights: NeighborWeights::Distance,
            ..NeighborsParams::default()
        }),
    ]
}

pub(crate) fn for_numbers() -> Vec<Algorithm> {
    vec![
        Algorithm::LinearRegression(LinearParams::least_squares()),
        Algorithm::Ridge(RidgeParams::default()),
        Algorithm::Lasso(LassoParams {
            alpha: 0.01,
            ..LassoParams::default()
        }),
        Algorithm::ElasticNet(ElasticNetParams {
            alpha: 0.01,
            ..ElasticNetParams::default()
        }),
        Algorithm::GeneralizedLinear(GlmParams {
            family: Family::Gamma,
            alpha: 1e-3,
            ..GlmParams::default()
        }),
        Algorithm::LinearSvm(LinearSvmParams::default()),
        Algorithm::Svm(SvmParams::default()),
        Algorithm::NearestNeighbors(NeighborsParams::default()),
    ]
}

#[test]
fn every_classifier_comes_near_the_best_that_can_be_known() {
    let (set, test) = (mixed(2_500, 1), mixed(4_000, 2));
    let best = roc_auc(&test.odds, &test.target).unwrap();
    for algorithm in for_classes() {
        let model = trained(algorithm, binary(), &set);
        let auc = roc_auc(&numbers(&model, &test.frame), &test.target).unwrap();
        let slack = match model.algorithm().name() {
            // That `z` is missing tells much, and to naive Bayes nothing.
            "naive_bayes" => 0.09,
            "nearest_neighbors" => 0.04,
            _ => 0.03,
        };
        assert!(
            auc > best - slack,
            "{} has {auc} of {best}",
            model.algorithm().name()
        );
    }
}

#[test]
fn every_classifier_tells_several_classes_apart() {
    let (set, test) = (several(1_500, 3), several(1_500, 4));
    for algorithm in for_classes() {
        let model = trained(algorithm, three(), &set);
        let predictions = model.predict(&test.frame).unwrap();
        let classes = predictions.classes().unwrap();
        for shares in classes {
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        }
        let hits = classes
            .most_probable()
            .iter()
            .zip(&test.target)
            .filter(|(found, class)| **found as f64 == **class)
            .count();
        // Five in six follow the odds, of the others a third by chance; that `z` is missing says
        // nothing to naive Bayes.
        let share = hits as f64 / 1_500.0;
        let least = if model.algorithm().name() == "naive_bayes" {
            0.6
        } else {
            0.7
        };
        assert!(share > least, "{} hits {share}", model.algorithm().name());
    }
}

#[test]
fn two_classes_may_be_given_as_several() {
    let set = mixed(400, 16);
    let two = Label {
        name: "y".into(),
        task: Task::Multiclass {
            classes: vec!["no".into(), "yes".into()],
        },
    };
    for algorithm in for_classes() {
        let name = algorithm.name();
        let several = trained(algorithm.clone(), two.clone(), &set);
        let shares = several.predict(&set.frame).unwrap();
        let shares = shares.classes().unwrap();
        assert!(shares.iter().all(|row| (row[0] + row[1] - 1.0).abs() < 1e-9));
        let one = numbers(&trained(algorithm, binary(), &set), &set.frame);
        let auc = |scores: &[f64]| roc_auc(scores, &set.target).unwrap();
        assert!(
            (auc(&one) - auc(&shares.column(1))).abs() < 0.02,
            "{name}: {} and {}",
            auc(&one),
            auc(&shares.column(1))
        );
    }
}

#[test]
fn every_regressor_explains_what_can_be_explained() {
    let (set, test) = (amounts(2_000, 5), amounts(2_000, 6));
    for algorithm in for_numbers() {
        let model = trained(algorithm, number(), &set);
        let explained = r2(&numbers(&model, &test.frame), &test.target).unwrap();
        assert!(explained > 0.7, "{} has {explained}", model.algorithm().name());
    }
}

#[test]
fn one_row_at_a_time_gives_to_the_bit_what_all_rows_at_once_give() {
    let sets = [
        (binary(), mixed(400, 7), for_classes()),
        (three(), several(400, 8), for_classes()),
        (number(), amounts(400, 9), for_numbers()),
    ];
    for (label, set, algorithms) in sets {
        for algorithm in algorithms {
            let model = trained(algorithm, label.clone(), &set);
            let all = model.predict(&set.frame).unwrap();
            for row in 0..60 {
                let values = row_of(&model, &set.frame, row).unwrap();
                match (&all, model.predict_row(&values).unwrap()) {
                    (Predictions::Numbers(all), Prediction::Number(one)) => {
                        assert_eq!(all[row].to_bits(), one.to_bits());
                    }
                    (Predictions::Classes(all), Prediction::Classes(one)) => {
                        assert_eq!(all.iter().nth(row), Some(one.as_slice()));
                    }
                    (all, one) => panic!("{all:?} beside {one:?}"),
                }
            }
        }
    }
}

#[test]
fn a_weight_of_0_is_the_same_as_not_being_there() {
    // Preprocessing sees all rows; without scaling and missing values it does not matter.
    let mut set = mixed(300, 10);
    set.frame = Frame::new(vec![
        set.frame.columns()[0].clone(),
        set.frame.columns()[2].clone(),
    ])
    .unwrap();
    let rows: Vec<usize> = (0..200).collect();
    let weights: Vec<f64> = (0..300).map(|row| f64::from(u8::from(row < 200))).collect();
    let few = Set {
        frame: set.frame.take(&rows).unwrap(),
        target: set.target[..200].to_vec(),
        odds: vec![],
    };
    let unscaled = trainyard_models::Preprocessing {
        scale: trainyard_models::Scale::None,
        ..Default::default()
    };
    // A machine that draws folds for its probabilities draws others among fewer rows.
    for algorithm in for_classes() {
        let name = algorithm.name();
        if matches!(algorithm, Algorithm::LinearSvm(_) | Algorithm::Svm(_)) {
            continue;
        }
        let fit = |set: &Set, weights: Option<&[f64]>| {
            let training = Training {
                weights,
                preprocessing: unscaled.clone(),
                ..training(algorithm.clone(), binary(), set)
            };
            numbers(&train(&training, &mut |_| Flow::GoOn).unwrap(), &few.frame)
        };
        for (left, right) in fit(&set, Some(&weights)).iter().zip(fit(&few, None)) {
            assert!((left - right).abs() < 1e-6, "{name}: {left} and {right}");
        }
    }
}

#[test]
fn an_exposure_multiplies_predictions_and_has_no_weight() {
    let mut set = amounts(1_000, 11);
    let times: Vec<f64> = (0..1_000).map(|row| 1.0 + (row % 5) as f64).collect();
    for (target, times) in set.target.iter_mut().zip(&times) {
        *target = (*target * times).round();
    }
    let mut columns = set.frame.columns().to_vec();
    columns.push(column("years", Values::Numeric(times)));
    set.frame = Frame::new(columns).unwrap();
    let params = GlmParams {
        exposure: Some("years".into()),
        alpha: 1e-3,
        ..GlmParams::default()
    };
    let model = trained(Algorithm::GeneralizedLinear(params.clone()), number(), &set);
    assert!(r2(&numbers(&model, &set.frame), &set.target).unwrap() > 0.7);
    let doubled = match set.frame.column("years").unwrap() {
        Values::Numeric(years) => Values::Numeric(years.iter().map(|years| 2.0 * years).collect()),
        other => other.clone(),
    };
    let later = set.frame.with_column("years", doubled).unwrap();
    for (one, two) in numbers(&model, &set.frame).iter().zip(numbers(&model, &later)) {
        assert!((2.0 * one - two).abs() < 1e-9 * two);
    }
    let importance = model.training_importance();
    assert!(
        importance
            .iter()
            .any(|(name, share)| name == "years" && *share == 0.0)
    );
    let reread = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(reread, model);

    let refused = |params: GlmParams, values: Values| {
        let set = Set {
            frame: set.frame.with_column("years", values).unwrap(),
            target: set.target.clone(),
            odds: vec![],
        };
        let training = training(Algorithm::GeneralizedLinear(params), number(), &set);
        train(&training, &mut |_| Flow::GoOn).unwrap_err()
    };
    let error = refused(params.clone(), Values::Numeric(vec![0.0; 1_000]));
    assert!(matches!(error, ModelError::Exposure { row: 0, .. }), "{error}");
    let nowhere = GlmParams {
        exposure: Some("months".into()),
        ..params
    };
    let error = refused(nowhere, Values::Numeric(vec![1.0; 1_000]));
    assert!(matches!(error, ModelError::MissingColumn { .. }), "{error}");
}

#[test]
fn what_cannot_be_fitted_is_refused_by_name() {
    let (classes, amounts) = (mixed(60, 12), amounts(60, 13));
    let error = |algorithm: Algorithm, label: Label, set: &Set| {
        train(&training(algorithm, label, set), &mut |_| Flow::GoOn).unwrap_err()
    };
    for algorithm in [
        Algorithm::ElasticNet(ElasticNetParams::default()),
        Algorithm::GeneralizedLinear(GlmParams::default()),
    ] {
        let error = error(algorithm, binary(), &classes);
        assert!(matches!(error, ModelError::WrongTask { .. }), "{error}");
    }
    let bayes = Algorithm::NaiveBayes(NaiveBayesParams::default());
    assert!(matches!(
        error(bayes, number(), &amounts),
        ModelError::WrongTask { .. }
    ));
    let counts = Algorithm::NaiveBayes(NaiveBayesParams {
        numbers: NumberModel::Multinomial,
        ..NaiveBayesParams::default()
    });
    let below_0 = Set {
        frame: Frame::new(vec![column("x", Values::Numeric(vec![-1.0; 60]))]).unwrap(),
        ..classes
    };
    let found = error(counts, binary(), &below_0);
    assert!(
        matches!(found, ModelError::NegativeCount { row: 0, .. }),
        "{found}"
    );
    let gamma = Algorithm::GeneralizedLinear(GlmParams {
        family: Family::Gamma,
        ..GlmParams::default()
    });
    let of_0 = Set {
        target: vec![0.0; 60],
        ..amounts
    };
    let found = error(gamma, number(), &of_0);
    assert!(matches!(found, ModelError::Target { row: 0, .. }), "{found}");
}

#[test]
fn a_parameter_out_of_its_range_is_named() {
    let set = amounts(60, 14);
    let cases: Vec<(&str, Algorithm)> = vec![
        (
            "alpha",
            Algorithm::ElasticNet(ElasticNetParams {
                alpha: -1.0,
                ..ElasticNetParams::default()
            }),
        ),
        (
            "l1_ratio",
            Algorithm::ElasticNet(ElasticNetParams {
                l1_ratio: 1.5,
                ..ElasticNetParams::default()
            }),
        ),
        (
            "tweedie",
            Algorithm::GeneralizedLinear(GlmParams {
                family: Family::Tweedie(2.5),
                ..GlmParams::default()
            }),
        ),
        (
            "c",
            Algorithm::Svm(SvmParams {
                c: 0.0,
                ..SvmParams::default()
            }),
        ),
        (
            "degree",
            Algorithm::Svm(SvmParams {
                kernel: KernelKind::Poly,
                degree: 0,
                ..SvmParams::default()
            }),
        ),
        (
            "epsilon",
            Algorithm::LinearSvm(LinearSvmParams {
                epsilon: f64::NAN,
                ..LinearSvmParams::default()
            }),
        ),
        (
            "n_neighbors",
            Algorithm::NearestNeighbors(NeighborsParams {
                n_neighbors: 0,
                ..NeighborsParams::default()
            }),
        ),
    ];
    for (expected, algorithm) in cases {
        let error = train(&training(algorithm, number(), &set), &mut |_| Flow::GoOn).unwrap_err();
        assert!(
            matches!(error, ModelError::Parameter { name, .. } if name == expected),
            "{expected}: {error}"
        );
    }
}

#[test]
fn importance_of_linear_machines_names_what_matters() {
    let set = mixed(1_000, 15);
    let linear = Algorithm::Svm(SvmParams {
        kernel: KernelKind::Linear,
        ..SvmParams::default()
    });
    for algorithm in [linear, Algorithm::LinearSvm(LinearSvmParams::default())] {
        let importance = trained(algorithm, binary(), &set).training_importance();
        let of = |name: &str| importance.iter().find(|(other, _)| other == name).unwrap().1;
        assert!(of("city") > of("noise") && of("z") > of("noise"));
        assert!((importance.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-9);
    }
}
