//! Calibrated probabilities, seen from outside.

use crate::algorithms::{several, three};
use crate::sets::{binary, mixed, numbers, training};
use trainyard_models::metrics::log_loss;
use trainyard_models::{
    Algorithm, Calibration, CalibrationMethod, CalibrationRows, Flow, Model, ModelError, NaiveBayesParams,
    Predictor, Training, ValidRows, train,
};

fn bayes() -> Algorithm {
    Algorithm::NaiveBayes(NaiveBayesParams::default())
}

/// `x` stands three times: naive Bayes is too sure of what it says.
fn sure_of_itself(rows: usize, seed: u64) -> crate::sets::Set {
    let mut set = mixed(rows, seed);
    let mut columns = set.frame.columns().to_vec();
    for name in ["again", "and again", "and once more"] {
        columns.extend(
            [&columns[0], &columns[3]].map(|column| trainyard_models::FrameColumn {
                name: format!("{} {name}", column.name),
                values: column.values.clone(),
            }),
        );
    }
    set.frame = trainyard_models::Frame::new(columns).unwrap();
    set
}

#[test]
fn calibration_lowers_the_log_loss_of_a_model_that_is_too_sure() {
    let (set, valid, test) = (
        sure_of_itself(3_000, 1),
        sure_of_itself(2_000, 2),
        sure_of_itself(4_000, 3),
    );
    let plain = train(&training(bayes(), binary(), &set), &mut |_| Flow::GoOn).unwrap();
    let before = log_loss(&numbers(&plain, &test.frame), &test.target).unwrap();
    for method in [CalibrationMethod::Sigmoid, CalibrationMethod::Isotonic] {
        for rows in [CalibrationRows::CrossFitted { folds: 4 }, CalibrationRows::Valid] {
            let training = Training {
                calibration: Some(Calibration { method, rows }),
                valid: Some(ValidRows {
                    frame: &valid.frame,
                    target: &valid.target,
                    weights: None,
                }),
                ..training(bayes(), binary(), &set)
            };
            let model = train(&training, &mut |_| Flow::GoOn).unwrap();
            let after = log_loss(&numbers(&model, &test.frame), &test.target).unwrap();
            assert!(after < before - 0.05, "{method:?} {rows:?}: {before} to {after}");
            let bytes = model.to_bytes().unwrap();
            assert_eq!(Model::from_bytes(&bytes).unwrap(), model);
        }
    }
}

#[test]
fn calibrated_probabilities_of_several_classes_add_up_to_1() {
    let set = several(900, 4);
    let training = Training {
        calibration: Some(Calibration::default()),
        ..training(bayes(), three(), &set)
    };
    let model = train(&training, &mut |_| Flow::GoOn).unwrap();
    let predictions = model.predict(&set.frame).unwrap();
    for shares in predictions.classes().unwrap() {
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    assert_eq!(Model::from_bytes(&model.to_bytes().unwrap()).unwrap(), model);
}

#[test]
fn calibration_without_what_it_needs_is_refused() {
    let set = mixed(200, 5);
    for rows in [CalibrationRows::Valid, CalibrationRows::CrossFitted { folds: 1 }] {
        let training = Training {
            calibration: Some(Calibration {
                rows,
                ..Calibration::default()
            }),
            ..training(bayes(), binary(), &set)
        };
        let error = train(&training, &mut |_| Flow::GoOn).unwrap_err();
        assert!(
            matches!(
                error,
                ModelError::Parameter {
                    name: "calibration",
                    ..
                }
            ),
            "{error}"
        );
    }
}
