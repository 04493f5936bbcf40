use crate::sets::{Set, binary, column, mixed, number, numbers, trained, training};
use serde::Deserialize;
use trainyard_models::frame::categorical;
use trainyard_models::metrics::roc_auc;
use trainyard_models::{
    Algorithm, Encode, Flow, Frame, Impute, LinearParams, Model, ModelError, Predictor, Preprocessing, Scale,
    Training, Unseen, Value, Values, train,
};

fn fitted(preprocessing: Preprocessing, set: &Set) -> Model {
    let training = Training {
        preprocessing,
        ..training(
            Algorithm::LogisticRegression(LinearParams::logistic()),
            binary(),
            set,
        )
    };
    train(&training, &mut |_| Flow::GoOn).unwrap()
}

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    impute: String,
    scale: Scale,
    encode: String,
    missing_indicator: bool,
    predictions: Vec<f64>,
}

/// The rows of golden/preprocessing.py.
fn by_formula() -> Set {
    let (mut x, mut z, mut c, mut target) = (vec![], vec![], vec![], vec![]);
    for i in 0..120u32 {
        let category = (i * 17 % 4) as usize;
        let (xi, zi) = (f64::from(i * 37 % 101) / 10.0, f64::from(i * 53 % 17) / 7.0 - 1.0);
        x.push(if i % 7 == 3 { f64::NAN } else { xi });
        z.push(if i % 11 == 5 { f64::NAN } else { zi });
        c.push(Some(["p", "q", "r", "s"][category]));
        let of_x = if i % 7 == 3 { 4.0 } else { 2.0 * xi };
        let of_z = if i % 11 == 5 { 2.0 } else { zi };
        let of_c = if category == 2 { 3.0 } else { 0.0 };
        target.push(of_x - 0.5 * of_z + of_c + f64::from(i * 11 % 13) / 13.0);
    }
    let frame = Frame::new(vec![
        column("x", Values::Numeric(x)),
        column("z", Values::Numeric(z)),
        column("c", categorical(c)),
    ])
    .unwrap();
    Set {
        frame,
        target,
        odds: vec![],
    }
}

#[test]
fn imputing_scaling_and_encoding_give_the_predictions_of_scikit_learn() {
    let golden: Golden = serde_json::from_str(include_str!("golden/preprocessing.json")).unwrap();
    let set = by_formula();
    let test = Frame::new(vec![
        column("x", Values::Numeric(vec![1.0, f64::NAN, 7.5, 30.0])),
        column("z", Values::Numeric(vec![0.5, 0.0, f64::NAN, -4.0])),
        column("c", categorical([Some("p"), Some("r"), Some("s"), Some("new")])),
    ])
    .unwrap();
    for case in golden.cases {
        let preprocessing = Preprocessing {
            impute: match case.impute.as_str() {
                "mean" => Impute::Mean,
                "median" => Impute::Median,
                "most_frequent" => Impute::MostFrequent,
                _ => Impute::Constant(-1.5),
            },
            missing_indicator: case.missing_indicator,
            scale: case.scale,
            encode: if case.encode == "one_hot" {
                Encode::OneHot
            } else {
                Encode::Ordinal
            },
            unseen: Unseen::Ignore,
        };
        let params = LinearParams {
            l2: 1.5,
            ..LinearParams::least_squares()
        };
        let training = Training {
            preprocessing: preprocessing.clone(),
            ..training(Algorithm::LinearRegression(params), number(), &set)
        };
        let model = train(&training, &mut |_| Flow::GoOn).unwrap();
        for (found, expected) in numbers(&model, &test).iter().zip(&case.predictions) {
            assert!(
                (found - expected).abs() < 1e-7,
                "{preprocessing:?}: {found} is not {expected}"
            );
        }
    }
}

#[test]
fn a_target_encoded_category_says_what_its_one_hot_columns_say() {
    let (set, test) = (mixed(6_000, 51), mixed(4_000, 52));
    let auc = |encode| {
        let preprocessing = Preprocessing {
            encode,
            ..Preprocessing::default()
        };
        roc_auc(&numbers(&fitted(preprocessing, &set), &test.frame), &test.target).unwrap()
    };
    let one_hot = auc(Encode::OneHot);
    for smoothing in [None, Some(5.0)] {
        let target = auc(Encode::Target { smoothing });
        assert!((target - one_hot).abs() < 0.005, "{target} beside {one_hot}");
    }
}

#[test]
fn a_target_encoded_identifier_learns_nothing_by_heart() {
    // Every row has a category of its own: a mean of its own label would rank the training rows
    // perfectly.
    let set = mixed(400, 53);
    let names: Vec<String> = (0..400).map(|row| format!("row {row}")).collect();
    let frame = Frame::new(vec![column(
        "name",
        categorical(names.iter().map(|name| Some(name.as_str()))),
    )])
    .unwrap();
    let set = Set { frame, ..set };
    let preprocessing = Preprocessing {
        encode: Encode::Target { smoothing: Some(0.0) },
        ..Preprocessing::default()
    };
    let model = fitted(preprocessing, &set);
    assert!(model.predict_row(&[Value::Category("row 0")]).is_ok());
    let weights = model.training_importance();
    let fresh = mixed(400, 54);
    let names = names.iter().rev().map(|name| Some(name.as_str()));
    let frame = Frame::new(vec![column("name", categorical(names))]).unwrap();
    let auc = roc_auc(&numbers(&model, &frame), &fresh.target).unwrap();
    assert!((auc - 0.5).abs() < 0.1, "{auc}, {weights:?}");
}

#[test]
fn an_unseen_category_is_ignored_taken_as_missing_or_refused() {
    let set = mixed(1_000, 55);
    let row = |city| [Value::Number(0.5), Value::Number(0.5), Value::Number(0.5), city];
    let of = |unseen, city| {
        let preprocessing = Preprocessing {
            unseen,
            ..Preprocessing::default()
        };
        fitted(preprocessing, &set).predict_row(&row(city))
    };
    let (new, missing) = (Value::Category("new"), Value::Missing);
    assert_eq!(of(Unseen::AsMissing, new), of(Unseen::AsMissing, missing));
    assert_ne!(of(Unseen::Ignore, new), of(Unseen::Ignore, missing));
    let refused = ModelError::UnseenCategory {
        column: "city".into(),
        category: "new".into(),
    };
    assert_eq!(of(Unseen::Error, new), Err(refused.clone()));
    assert!(of(Unseen::Error, missing).is_ok());
    let preprocessing = Preprocessing {
        unseen: Unseen::Error,
        ..Preprocessing::default()
    };
    let model = fitted(preprocessing, &set);
    let city = categorical((0..1_000).map(|row| Some(if row == 700 { "new" } else { "a" })));
    let frame = set.frame.with_column("city", city).unwrap();
    assert_eq!(model.predict(&frame), Err(refused));
}

#[test]
fn constant_and_all_missing_columns_change_no_prediction() {
    let set = mixed(1_000, 56);
    let plain = trained(
        Algorithm::LogisticRegression(LinearParams::logistic()),
        binary(),
        &set,
    );
    let mut columns = set.frame.columns().to_vec();
    columns.push(column("constant", Values::Numeric(vec![3.0; 1_000])));
    columns.push(column("never", Values::Numeric(vec![f64::NAN; 1_000])));
    let wider = Set {
        frame: Frame::new(columns).unwrap(),
        target: set.target.clone(),
        odds: vec![],
    };
    for scale in [Scale::Standard, Scale::MinMax, Scale::Robust] {
        let preprocessing = Preprocessing {
            scale,
            ..Preprocessing::default()
        };
        let model = fitted(preprocessing.clone(), &wider);
        let alone = fitted(preprocessing, &set);
        for (found, expected) in numbers(&model, &wider.frame)
            .iter()
            .zip(numbers(&alone, &set.frame))
        {
            assert!(
                (found - expected).abs() < 1e-6,
                "{scale:?}: {found} is not {expected}"
            );
        }
    }
    assert_eq!(plain.preprocessing(), Some(&Preprocessing::default()));
}

#[test]
fn preprocessing_that_makes_no_sense_is_refused() {
    let set = mixed(100, 57);
    let refused = |preprocessing| {
        let training = Training {
            preprocessing,
            ..training(
                Algorithm::LogisticRegression(LinearParams::logistic()),
                binary(),
                &set,
            )
        };
        matches!(
            train(&training, &mut |_| Flow::GoOn),
            Err(ModelError::Parameter { .. })
        )
    };
    assert!(refused(Preprocessing {
        impute: Impute::Constant(f64::INFINITY),
        ..Preprocessing::default()
    }));
    assert!(refused(Preprocessing {
        encode: Encode::Target {
            smoothing: Some(-1.0)
        },
        ..Preprocessing::default()
    }));
}
