use crate::algorithms::{amounts, for_classes, for_numbers, three};
use crate::sets::{Set, binary, mixed, number, numbers, trained, training};
use crate::{algorithms, clusters};
use proptest::prelude::*;
use trainyard_models::{
    Algorithm, BoostingLoss, BoostingParams, Calibration, CalibrationMethod, CalibrationRows, Encode, Flow,
    ForestParams, GlmParams, Label, LinearParams, Model, ModelError, NaiveBayesParams, Predictor,
    Preprocessing, SvmParams, Task, Training, TreeParams, Value, train,
};

fn several(classes: usize) -> Label {
    Label {
        name: "y".into(),
        task: Task::Multiclass {
            classes: (0..classes).map(|class| format!("class {class}")).collect(),
        },
    }
}

fn target_encoded(set: &Set) -> Model {
    let training = Training {
        preprocessing: Preprocessing {
            encode: Encode::Target { smoothing: None },
            ..Preprocessing::default()
        },
        ..training(
            Algorithm::LogisticRegression(LinearParams::logistic()),
            binary(),
            set,
        )
    };
    train(&training, &mut |_| Flow::GoOn).unwrap()
}

fn small_models() -> Vec<Model> {
    let set = mixed(300, 31);
    let boosting = BoostingParams {
        n_rounds: 2,
        num_leaves: 4,
        ..BoostingParams::default()
    };
    let forest = ForestParams {
        n_trees: 2,
        max_depth: Some(3),
        ..ForestParams::default()
    };
    let mut models = vec![
        trained(Algorithm::GradientBoosting(boosting.clone()), binary(), &set),
        trained(Algorithm::RandomForest(forest.clone()), binary(), &set),
        trained(
            Algorithm::DecisionTree(TreeParams {
                min_leaf: 30,
                max_depth: Some(2),
                ..TreeParams::default()
            }),
            number(),
            &set,
        ),
        trained(
            Algorithm::LogisticRegression(LinearParams::logistic()),
            binary(),
            &set,
        ),
        trained(
            Algorithm::LinearRegression(LinearParams::least_squares()),
            number(),
            &set,
        ),
        trained(
            Algorithm::GradientBoosting(BoostingParams {
                loss: BoostingLoss::Quantile { level: 0.5 },
                ..boosting.clone()
            }),
            number(),
            &set,
        ),
        trained(Algorithm::GradientBoosting(boosting), several(2), &set),
        trained(Algorithm::ExtraTrees(forest), several(2), &set),
        target_encoded(&set),
    ];
    models.extend(small_models_of_rows());
    models
}

/// Models of algorithms that keep rows, curves or distributions.
fn small_models_of_rows() -> Vec<Model> {
    let (two, more, amounts) = (mixed(30, 32), algorithms::several(30, 33), amounts(30, 34));
    let mut models: Vec<Model> = for_numbers()
        .into_iter()
        .skip(1)
        .map(|algorithm| trained(algorithm, number(), &amounts))
        .collect();
    models.extend(
        for_classes()
            .into_iter()
            .skip(1)
            .map(|algorithm| trained(algorithm, three(), &more)),
    );
    models.push(trained(Algorithm::Svm(SvmParams::default()), binary(), &two));
    let exposed = GlmParams {
        exposure: Some("x".into()),
        ..GlmParams::default()
    };
    models.push(trained(Algorithm::GeneralizedLinear(exposed), number(), &amounts));
    let calibrated = Training {
        calibration: Some(Calibration {
            method: CalibrationMethod::Isotonic,
            rows: CalibrationRows::CrossFitted { folds: 2 },
        }),
        ..training(Algorithm::NaiveBayes(NaiveBayesParams::default()), binary(), &two)
    };
    models.push(train(&calibrated, &mut |_| Flow::GoOn).unwrap());
    models.extend(clusters::all().map(|algorithm| clusters::clustered(algorithm, &two)));
    models
}

#[test]
fn a_model_reads_back_equal_and_writes_the_same_bytes_again() {
    for model in small_models() {
        let bytes = model.to_bytes().unwrap();
        let back = Model::from_bytes(&bytes).unwrap();
        assert_eq!(back, model);
        assert_eq!(back.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn a_file_cut_anywhere_or_with_a_bit_flipped_anywhere_is_refused() {
    for model in small_models() {
        let bytes = model.to_bytes().unwrap();
        for end in 0..bytes.len() {
            assert!(
                matches!(Model::from_bytes(&bytes[..end]), Err(ModelError::Format(_))),
                "cut at {end}"
            );
        }
        let mut flipped = bytes.clone();
        for at in 0..bytes.len() {
            flipped[at] ^= 1 << (at % 8);
            assert!(
                matches!(Model::from_bytes(&flipped), Err(ModelError::Format(_))),
                "flipped at {at}"
            );
            flipped[at] = bytes[at];
        }
    }
}

/// The file with its hash made right again, so that the checks behind the hash are reached.
fn rehashed(mut content: Vec<u8>) -> Vec<u8> {
    let hash = blake3::hash(&content);
    content.extend_from_slice(hash.as_bytes());
    content
}

#[test]
fn a_file_with_a_right_hash_and_wrong_content_is_refused_or_predicts_without_fault() {
    for model in small_models() {
        let bytes = model.to_bytes().unwrap();
        let content = &bytes[..bytes.len() - 32];
        for at in 0..content.len() {
            for value in [content[at] ^ 1, content[at] ^ 0x80, 0, 0xff] {
                let mut changed = content.to_vec();
                changed[at] = value;
                if let Ok(model) = Model::from_bytes(&rehashed(changed)) {
                    let row = [
                        Value::Number(0.5),
                        Value::Missing,
                        Value::Number(1.0),
                        Value::Category("c"),
                    ];
                    // A changed name of a type may make the row the wrong one; a walk must end.
                    let _ = model.predict_row(&row);
                    assert!(model.depth() <= 8);
                }
            }
        }
    }
}

#[test]
fn a_later_version_is_named_as_such() {
    let bytes = small_models()[0].to_bytes().unwrap();
    let mut container = bytes.clone();
    container[7] = 3;
    let error = Model::from_bytes(&container).unwrap_err().to_string();
    assert!(error.contains("container version is 3"), "{error}");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("\"format_version\":2"));
    let at = bytes
        .windows(18)
        .position(|window| window == b"\"format_version\":2")
        .unwrap()
        + 17;
    let mut format = bytes[..bytes.len() - 32].to_vec();
    format[at] = b'9';
    let error = Model::from_bytes(&rehashed(format)).unwrap_err().to_string();
    assert!(error.contains("format version is 9"), "{error}");
}

#[test]
fn lengths_beyond_the_file_take_no_memory() {
    let mut file = b"TYMODEL\x01".to_vec();
    file.extend_from_slice(&u64::MAX.to_le_bytes());
    file.extend_from_slice(b"{}");
    assert!(Model::from_bytes(&rehashed(file)).is_err());
    let header = br#"{"format_version":1,"algorithm":{"algorithm":"decision_tree","params":{"min_leaf":1,"max_depth":null}},"features":[{"name":"x","kind":"numeric"}],"label":{"name":"y","task":"regression"},"training":{"rows":1,"valid_rows":0,"seed":1,"rounds":1,"converged":true,"valid_metric":null},"arrays":[{"name":"tree_nodes","type":"f64","entries":18446744073709551615}]}"#;
    let mut file = b"TYMODEL\x01".to_vec();
    file.extend_from_slice(&(header.len() as u64).to_le_bytes());
    file.extend_from_slice(header);
    let error = Model::from_bytes(&rehashed(file)).unwrap_err().to_string();
    assert!(error.contains("too long"), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_give_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Model::from_bytes(&bytes).is_err());
        let mut named = b"TYMODEL\x01".to_vec();
        named.extend_from_slice(&bytes);
        prop_assert!(Model::from_bytes(&rehashed(named)).is_err());
    }
}

#[test]
fn models_of_version_1_predict_what_they_did() {
    // Written by version 0.1.0 before the format changed; predictions of the first rows of the set.
    let frame = mixed(300, 31)
        .frame
        .take(&(0..12).collect::<Vec<usize>>())
        .unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/version_1");
    for name in [
        "gradient_boosting",
        "random_forest",
        "decision_tree",
        "logistic_regression",
        "linear_regression",
    ] {
        let bytes = std::fs::read(folder.join(format!("{name}.model"))).unwrap();
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let expected: Vec<f64> = serde_json::from_str(&text).unwrap();
        let model = Model::from_bytes(&bytes).unwrap();
        for (found, expected) in numbers(&model, &frame).iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-12,
                "{name}: {found} is not {expected}"
            );
        }
        // What is written again is of the present version.
        assert_eq!(Model::from_bytes(&model.to_bytes().unwrap()).unwrap(), model);
    }
}
