use crate::algorithms::{amounts, for_classes, for_numbers, several, three};
use crate::clusters;
use crate::sets::{binary, mixed, number, training};
use trainyard_models::{
    Algorithm, BoostingLoss, BoostingParams, Flow, ForestParams, Label, LinearParams, Task, Training,
    TreeParams, train,
};

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_threads() {
    // Enough rows for several chunks a thread.
    let set = mixed(40_000, 21);
    let algorithms = [
        Algorithm::GradientBoosting(BoostingParams {
            n_rounds: 8,
            row_share: 0.8,
            feature_share: 0.7,
            ..BoostingParams::default()
        }),
        Algorithm::GradientBoosting(BoostingParams {
            n_rounds: 8,
            ..BoostingParams::default()
        }),
        Algorithm::RandomForest(ForestParams {
            n_trees: 10,
            ..ForestParams::default()
        }),
        Algorithm::ExtraTrees(ForestParams {
            n_trees: 10,
            ..ForestParams::extra_trees()
        }),
        Algorithm::DecisionTree(TreeParams::default()),
        Algorithm::LogisticRegression(LinearParams::logistic()),
    ];
    for algorithm in algorithms {
        let name = algorithm.name();
        let bytes = |threads: usize, seed: u64| {
            let training = Training {
                threads,
                seed,
                ..training(algorithm.clone(), binary(), &set)
            };
            train(&training, &mut |_| Flow::GoOn).unwrap().to_bytes().unwrap()
        };
        let first = bytes(1, 1);
        assert!(first == bytes(1, 1), "{name}: twice");
        assert!(first == bytes(2, 1), "{name}: two threads");
        assert!(first == bytes(5, 1), "{name}: five threads");
        assert!(first != bytes(1, 2), "{name}: the seed is part of the model");
    }
}

#[test]
fn so_do_several_classes_and_leaves_that_are_quantiles() {
    let set = mixed(20_000, 22);
    let classes = Label {
        name: "y".into(),
        task: Task::Multiclass {
            classes: vec!["a".into(), "b".into(), "c".into()],
        },
    };
    let boosting = BoostingParams {
        n_rounds: 5,
        row_share: 0.8,
        feature_share: 0.7,
        ..BoostingParams::default()
    };
    let forest = ForestParams {
        n_trees: 10,
        oob_score: true,
        ..ForestParams::default()
    };
    let quantile = BoostingParams {
        loss: BoostingLoss::Quantile { level: 0.7 },
        ..boosting.clone()
    };
    for (algorithm, label) in [
        (Algorithm::GradientBoosting(boosting), classes.clone()),
        (Algorithm::RandomForest(forest), classes),
        (Algorithm::GradientBoosting(quantile), number()),
    ] {
        let bytes = |threads: usize| {
            let training = Training {
                threads,
                ..training(algorithm.clone(), label.clone(), &set)
            };
            train(&training, &mut |_| Flow::GoOn).unwrap().to_bytes().unwrap()
        };
        let first = bytes(1);
        assert!(first == bytes(2) && first == bytes(5), "{}", algorithm.name());
    }
}

/// The bytes of a model are the same with one thread and with several.
fn assert_same_bytes(training: &Training<'_>) {
    let bytes = |threads: usize| {
        let training = Training {
            threads,
            ..training.clone()
        };
        train(&training, &mut |_| Flow::GoOn).unwrap().to_bytes().unwrap()
    };
    let first = bytes(1);
    let name = training.algorithm.name();
    assert!(first == bytes(2), "{name}: two threads");
    assert!(first == bytes(5), "{name}: five threads");
}

#[test]
fn algorithms_of_sums_and_distances_do_not_depend_on_threads() {
    // Machines with kernels take time with the square of the rows.
    let rows = |algorithm: &Algorithm| {
        if matches!(algorithm, Algorithm::Svm(_)) {
            1_300
        } else {
            20_000
        }
    };
    for algorithm in for_classes() {
        let (two, more) = (mixed(rows(&algorithm), 22), several(rows(&algorithm), 23));
        assert_same_bytes(&training(algorithm.clone(), binary(), &two));
        assert_same_bytes(&training(algorithm, three(), &more));
    }
    for algorithm in for_numbers() {
        let set = amounts(rows(&algorithm), 24);
        assert_same_bytes(&training(algorithm, number(), &set));
    }
    for algorithm in clusters::all() {
        // DBSCAN looks at every pair of near rows.
        assert_same_bytes(&clusters::of_clusters(algorithm, &mixed(3_000, 25)));
    }
}
