use crate::sets::{binary, mixed, training};
use trainyard_models::{
    Algorithm, BoostingParams, Flow, ForestParams, LinearParams, Training, TreeParams, train,
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
