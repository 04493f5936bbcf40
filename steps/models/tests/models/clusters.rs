//! Clusters, seen from outside.

use crate::sets::{Set, column};
use trainyard_models::random::Random;
use trainyard_models::{
    Algorithm, ClassWeight, Covariance, DbscanParams, Flow, Frame, KMeansParams, Label, MixtureParams, Model,
    ModelError, Predictions, Predictor, Preprocessing, Task, Training, Values, train,
};

/// Three round clouds of 200 rows, apart by ten times their radius, and the cloud of each row.
pub(crate) fn clouds() -> (Set, Vec<usize>) {
    let mut random = Random::new(17);
    let corners = [(0.0, 0.0), (10.0, 0.0), (0.0, 10.0)];
    let (mut x, mut y, mut cloud) = (vec![], vec![], vec![]);
    for row in 0..600 {
        let (angle, radius) = (random.uniform() * std::f64::consts::TAU, random.uniform().sqrt());
        x.push(corners[row % 3].0 + radius * angle.cos());
        y.push(corners[row % 3].1 + radius * angle.sin());
        cloud.push(row % 3);
    }
    let frame = Frame::new(vec![
        column("x", Values::Numeric(x)),
        column("y", Values::Numeric(y)),
    ])
    .unwrap();
    let set = Set {
        frame,
        target: vec![],
        odds: vec![],
    };
    (set, cloud)
}

pub(crate) fn all() -> [Algorithm; 3] {
    [
        Algorithm::KMeans(KMeansParams {
            n_clusters: 3,
            ..KMeansParams::default()
        }),
        Algorithm::Dbscan(DbscanParams {
            eps: 0.3,
            ..DbscanParams::default()
        }),
        Algorithm::GaussianMixture(MixtureParams {
            n_components: 3,
            ..MixtureParams::default()
        }),
    ]
}

pub(crate) fn of_clusters(algorithm: Algorithm, set: &Set) -> Training<'_> {
    Training {
        algorithm,
        preprocessing: Preprocessing::default(),
        label: Label {
            name: "cluster".into(),
            task: Task::Cluster,
        },
        frame: &set.frame,
        target: &[],
        weights: None,
        class_weight: ClassWeight::None,
        calibration: None,
        valid: None,
        seed: 7,
        threads: 2,
    }
}

pub(crate) fn clustered(algorithm: Algorithm, set: &Set) -> Model {
    train(&of_clusters(algorithm, set), &mut |_| Flow::GoOn).unwrap()
}

#[test]
fn clouds_far_apart_are_clusters() {
    let (set, cloud) = clouds();
    for algorithm in all() {
        let model = clustered(algorithm, &set);
        let Predictions::Clusters(found) = model.predict(&set.frame).unwrap() else {
            panic!("clusters")
        };
        let name = model.algorithm().name();
        // Clouds and clusters are the same up to their numbers.
        let of: Vec<Option<u32>> = (0..3).map(|cloud| found[cloud]).collect();
        for (found, cloud) in found.iter().zip(&cloud) {
            assert_eq!(*found, of[*cloud], "{name}");
        }
        assert!(of.iter().all(Option::is_some), "{name}");
        assert!(of[0] != of[1] && of[1] != of[2] && of[0] != of[2], "{name}");
        assert!(model.summary().converged);
        assert_eq!(model.summary().measures["clusters"], 3.0);
    }
}

#[test]
fn a_row_far_from_all_others_is_noise_for_dbscan_alone() {
    let (set, _) = clouds();
    let far = Frame::new(vec![
        column("x", Values::Numeric(vec![500.0])),
        column("y", Values::Numeric(vec![500.0])),
    ])
    .unwrap();
    for algorithm in all() {
        let model = clustered(algorithm, &set);
        let cluster = model.predict(&far).unwrap().clusters().unwrap()[0];
        assert_eq!(
            cluster.is_none(),
            model.algorithm().name() == "dbscan",
            "{}",
            model.algorithm().name()
        );
    }
}

#[test]
fn bayes_criterion_chooses_the_number_of_clouds() {
    let (set, _) = clouds();
    let bic = |components: usize| {
        let params = MixtureParams {
            n_components: components,
            n_init: 3,
            covariance_type: Covariance::Spherical,
            ..MixtureParams::default()
        };
        clustered(Algorithm::GaussianMixture(params), &set)
            .summary()
            .measures["bic"]
    };
    assert!(bic(3) < bic(2) && bic(3) < bic(1));
}

#[test]
fn a_model_of_clusters_reads_back_equal() {
    let (set, _) = clouds();
    for algorithm in all() {
        let model = clustered(algorithm, &set);
        let bytes = model.to_bytes().unwrap();
        let back = Model::from_bytes(&bytes).unwrap();
        assert_eq!(back, model);
        assert_eq!(back.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn more_clusters_than_rows_are_refused() {
    let (set, _) = clouds();
    let many = Algorithm::KMeans(KMeansParams {
        n_clusters: 601,
        ..KMeansParams::default()
    });
    let error = train(&of_clusters(many, &set), &mut |_| Flow::GoOn).unwrap_err();
    assert!(
        matches!(
            error,
            ModelError::Parameter {
                name: "n_clusters",
                ..
            }
        ),
        "{error}"
    );
}
