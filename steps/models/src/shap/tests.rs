//! SHAP values beside those of the `shap` package, and beside their definition.

use super::*;
use crate::boosting::BoostingLoss;
use crate::fit::Flow;
use crate::frame::{FrameColumn, Values, categorical};
use crate::metrics::Weights;
use crate::model::{Training, train};
use crate::predictions::Predictions;
use crate::random::Random;
use crate::tree::{Child, Node, Question};
use crate::{
    Algorithm, BoostingParams, ClassWeight, ForestParams, Label, LinearParams, Preprocessing, Task,
    TreeParams,
};
use serde_json::Value as Json;

fn flat(value: &Json) -> Vec<f64> {
    match value {
        Json::Array(values) => values.iter().flat_map(flat).collect(),
        Json::Number(number) => vec![number.as_f64().unwrap()],
        _ => vec![f64::NAN],
    }
}

fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let near = (found - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(near, "{what}[{at}] is {found}, not {expected}");
    }
}

/// A tree in the arrays of scikit-learn and shap as ours.
fn tree_of(arrays: &Json, outputs: usize) -> Tree {
    let column = |key: &str| flat(&arrays[key]);
    let (left, right, default) = (
        column("children_left"),
        column("children_right"),
        column("children_default"),
    );
    let (features, thresholds) = (column("features"), column("thresholds"));
    let (values, cover) = (column("values"), column("node_sample_weight"));
    let is_leaf = |at: usize| left[at] < 0.0;
    let nth = |at: usize, leaves: bool| (0..at).filter(|&before| is_leaf(before) == leaves).count() as u32;
    let child = |at: f64| {
        let at = at as usize;
        if is_leaf(at) {
            Child::Leaf(nth(at, true))
        } else {
            Child::Node(nth(at, false))
        }
    };
    let mut tree = Tree::empty(outputs);
    for at in 0..left.len() {
        if is_leaf(at) {
            tree.leaves.extend(&values[at * outputs..(at + 1) * outputs]);
            tree.covers.push(cover[at]);
        } else {
            tree.nodes.push(Node {
                feature: features[at] as u32,
                question: Question::AtMost {
                    threshold: thresholds[at],
                    missing_left: default[at] == left[at],
                },
                left: child(left[at]),
                right: child(right[at]),
                gain: 1.0,
            });
        }
    }
    tree
}

/// Columns of a table that stands row by row.
fn columns(values: &[f64], features: usize) -> Vec<Vec<f64>> {
    (0..features)
        .map(|feature| values.iter().skip(feature).step_by(features).copied().collect())
        .collect()
}

#[test]
fn values_and_interactions_are_those_of_the_shap_package() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/golden/shap.json");
    let fixture: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = fixture["trees"].as_array().unwrap();
    assert!(cases.len() >= 8);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let (outputs, features) = (
            flat(&case["outputs"])[0] as usize,
            flat(&case["features"])[0] as usize,
        );
        let trees: Vec<Tree> = case["trees"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tree| tree_of(tree, outputs))
            .collect();
        let mut ensemble = Ensemble {
            parts: trees
                .iter()
                .map(|tree| Part {
                    tree,
                    output: 0,
                    scale: 1.0,
                })
                .collect(),
            base: flat(&case["base"]),
            features,
            link: Link::Identity,
        };
        let (rows, background) = (
            columns(&flat(&case["rows"]), features),
            columns(&flat(&case["background"]), features),
        );
        fn aligned(columns: &[Vec<f64>]) -> Vec<Aligned<'_>> {
            columns.iter().map(|column| Aligned::Numeric(column)).collect()
        }
        let (values, background_values) = (aligned(&rows), aligned(&background));
        let names: Vec<String> = (0..features).map(|feature| format!("x{feature}")).collect();
        let expect = |found: &Explanation, key: &str, tolerance: f64| {
            let (values, base) = (
                &case["found"][key],
                &case["found"][format!("{key}_base").as_str()],
            );
            close(
                found.values(),
                &flat(values),
                tolerance,
                &format!("{name}: {key}"),
            );
            close(
                found.base(),
                &flat(base),
                tolerance,
                &format!("{name}: {key}, base"),
            );
        };
        let found = path::explain(&ensemble, &values, rows[0].len(), names.clone());
        expect(&found, "path", 1e-9);
        if !case["found"]["interactions"].is_null() {
            let found = interactions::explain(&ensemble, &values, rows[0].len(), names.clone());
            close(
                &found.values,
                &flat(&case["found"]["interactions"]),
                1e-9,
                &format!("{name}: interactions"),
            );
        }
        let (rows, background) = (
            Rows {
                values: &values,
                count: rows[0].len(),
            },
            Rows {
                values: &background_values,
                count: background[0].len(),
            },
        );
        // Here the package adds up in 32 bits.
        let found = background::explain(&ensemble, &rows, &background, names.clone()).unwrap();
        expect(&found, "background", 2e-6);
        if outputs == 1 {
            ensemble.link = Link::LogOdds;
            let found = background::explain(&ensemble, &rows, &background, names).unwrap();
            expect(&found, "probability", 2e-6);
        }
    }
}

/// Rows with numbers, missing numbers, categories and missing categories.
fn frame(rows: usize, seed: u64) -> Frame {
    let mut random = Random::new(seed);
    let mut number = |missing: f64| {
        let values = (0..rows)
            .map(|_| {
                if random.uniform() < missing {
                    f64::NAN
                } else {
                    random.uniform()
                }
            })
            .collect();
        Values::Numeric(values)
    };
    let (x, z) = (number(0.0), number(0.3));
    let mut random = Random::new(seed + 1);
    let mut texts = |names: &'static [&'static str]| {
        categorical((0..rows).map(|_| names.get(random.below(names.len() + 1)).copied()))
    };
    let columns = [
        ("x", x),
        ("z", z),
        ("city", texts(&["a", "b", "c", "d", "e"])),
        ("colour", texts(&["red", "blue"])),
    ];
    Frame::new(
        columns
            .into_iter()
            .map(|(name, values)| FrameColumn {
                name: name.into(),
                values,
            })
            .collect(),
    )
    .unwrap()
}

fn target(frame: &Frame, seed: u64, task: &Task) -> Vec<f64> {
    let mut random = Random::new(seed);
    let (Some(Values::Numeric(x)), Some(Values::Numeric(z)), Some(Values::Categorical { codes, .. })) =
        (frame.column("x"), frame.column("z"), frame.column("city"))
    else {
        panic!("columns of the frame")
    };
    (0..frame.rows())
        .map(|row| {
            let mut score = 2.0 * x[row] + if z[row].is_nan() { 1.0 } else { x[row] * z[row] };
            score += if codes[row] % 2 == 0 { 0.8 } else { 0.0 } + random.uniform();
            match task {
                Task::Binary { .. } => f64::from(u8::from(score > 2.3)),
                Task::Multiclass { .. } => f64::from((score - 0.7).clamp(0.0, 2.0) as u8),
                _ => score,
            }
        })
        .collect()
}

fn binary() -> Task {
    Task::Binary {
        negative: "no".into(),
        positive: "yes".into(),
    }
}

fn several() -> Task {
    Task::Multiclass {
        classes: vec!["low".into(), "middle".into(), "high".into()],
    }
}

fn model(algorithm: Algorithm, task: Task, frame: &Frame) -> Model {
    let target = target(frame, 9, &task);
    let training = Training {
        algorithm,
        label: Label {
            name: "y".into(),
            task,
        },
        preprocessing: Preprocessing::default(),
        class_weight: ClassWeight::None,
        frame,
        target: &target,
        weights: None,
        valid: None,
        calibration: None,
        seed: 3,
        threads: 1,
    };
    train(&training, &mut |_| Flow::GoOn).unwrap()
}

/// Models of every kind that has trees.
fn models(frame: &Frame) -> Vec<Model> {
    let boosting = || {
        Algorithm::GradientBoosting(BoostingParams {
            n_rounds: 12,
            num_leaves: 12,
            min_leaf: 5,
            ..BoostingParams::default()
        })
    };
    let forest = || {
        Algorithm::RandomForest(ForestParams {
            n_trees: 7,
            min_leaf: 3,
            ..ForestParams::default()
        })
    };
    let tree = || {
        Algorithm::DecisionTree(TreeParams {
            min_leaf: 4,
            ..TreeParams::default()
        })
    };
    let mut models = Vec::new();
    for task in [binary(), Task::Regression, several()] {
        models.push(model(boosting(), task.clone(), frame));
        models.push(model(forest(), task.clone(), frame));
        models.push(model(tree(), task, frame));
    }
    let counts = Algorithm::GradientBoosting(BoostingParams {
        loss: BoostingLoss::Poisson,
        n_rounds: 10,
        min_leaf: 5,
        ..BoostingParams::default()
    });
    models.push(model(counts, Task::Regression, frame));
    let extra = ForestParams {
        n_trees: 5,
        min_leaf: 4,
        ..ForestParams::extra_trees()
    };
    models.push(model(Algorithm::ExtraTrees(extra), binary(), frame));
    models
}

/// What a model adds up for every row: row after row, in it output after output.
fn raw(model: &Model, frame: &Frame) -> Vec<f64> {
    if let Ok(ensemble) = Ensemble::of(model, Unit::Raw) {
        let values = align(frame, model.features()).unwrap();
        let cells = cells(&values, 0..frame.rows());
        return cells.chunks(4).flat_map(|row| ensemble.margins(row)).collect();
    }
    let predictions = model.predict(frame).unwrap().into_numbers().unwrap();
    match model.label().task {
        Task::Regression => predictions,
        _ => predictions.into_iter().map(|p| (p / (1.0 - p)).ln()).collect(),
    }
}

/// What a model predicts for every row, in the same order.
fn predicted(model: &Model, frame: &Frame) -> Vec<f64> {
    match model.predict(frame).unwrap() {
        Predictions::Classes(classes) => classes.values().to_vec(),
        other => other.into_numbers().unwrap(),
    }
}

/// Shapley values of one row from a game that gives the worth of every coalition of features.
fn by_definition(features: usize, worth: impl Fn(usize) -> f64) -> Vec<f64> {
    let worths: Vec<f64> = (0..1usize << features).map(worth).collect();
    let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
    (0..features)
        .map(|feature| {
            (0..1usize << features)
                .filter(|coalition| coalition >> feature & 1 == 0)
                .map(|coalition| {
                    let size = coalition.count_ones() as usize;
                    let weight = factorial(size) * factorial(features - size - 1) / factorial(features);
                    weight * (worths[coalition | 1 << feature] - worths[coalition])
                })
                .sum()
        })
        .collect()
}

/// The mean of a tree over the training rows where only the features of a coalition are known.
fn known(tree: &Tree, covers: &[f64], row: &[Cell], coalition: usize, at: Child, nth: usize) -> f64 {
    match at {
        Child::Leaf(leaf) => tree.values(leaf as usize)[nth],
        Child::Node(node) => {
            let node = &tree.nodes[node as usize];
            let go = |child| known(tree, covers, row, coalition, child, nth);
            if coalition >> node.feature & 1 == 1 {
                return go(if tree.goes_left(node, row[node.feature as usize]) {
                    node.left
                } else {
                    node.right
                });
            }
            let cover = |child| match child {
                Child::Node(node) => covers[node as usize],
                Child::Leaf(leaf) => tree.covers[leaf as usize],
            };
            let (left, right) = (cover(node.left), cover(node.right));
            (left * go(node.left) + right * go(node.right)) / (left + right)
        }
    }
}

/// The values of one row for one output.
fn of_row(found: &Explanation, row: usize, output: usize) -> Vec<f64> {
    (0..4)
        .map(|feature| found.value(row, feature, output).unwrap())
        .collect()
}

#[test]
fn path_dependent_values_are_those_of_the_definition_with_categories_and_missing_values() {
    let frame = frame(300, 5);
    for model in models(&frame) {
        let ensemble = Ensemble::of(&model, Unit::Raw).unwrap();
        let found = explain(&model, &frame, Removal::PathDependent, Unit::Raw).unwrap();
        let values = align(&frame, model.features()).unwrap();
        for row in 0..8 {
            let cells = cells(&values, row..row + 1);
            for output in 0..ensemble.outputs() {
                let worth = |coalition: usize| {
                    let grown = ensemble.parts.iter().filter(|part| !part.tree.nodes.is_empty());
                    let of_output =
                        grown.filter(|part| (part.output..part.output + part.tree.outputs).contains(&output));
                    of_output
                        .map(|part| {
                            let covers = part.tree.node_covers();
                            let nth = output - part.output;
                            known(part.tree, &covers, &cells, coalition, Child::Node(0), nth) * part.scale
                        })
                        .sum()
                };
                let expected = by_definition(4, worth);
                close(
                    &of_row(&found, row, output),
                    &expected,
                    1e-10,
                    model.algorithm().name(),
                );
            }
        }
        assert!(found.values().iter().any(|value| value.abs() > 1e-3));
    }
}

/// The frame's row with the features outside a coalition taken from every row of a background.
fn put_in(frame: &Frame, row: usize, background: &Frame, coalition: usize) -> Frame {
    let columns = frame.columns().iter().enumerate().map(|(feature, column)| {
        let other = background.column(&column.name).unwrap();
        let values = match (&column.values, other) {
            _ if coalition >> feature & 1 == 0 => other.clone(),
            (Values::Numeric(values), _) => Values::Numeric(vec![values[row]; background.rows()]),
            (Values::Categorical { codes, dictionary }, _) => Values::Categorical {
                codes: vec![codes[row]; background.rows()],
                dictionary: dictionary.clone(),
            },
        };
        FrameColumn {
            name: column.name.clone(),
            values,
        }
    });
    Frame::new(columns.collect()).unwrap()
}

#[test]
fn background_values_are_those_of_the_definition_for_trees_and_linear_models() {
    let frame = frame(300, 5);
    let background = frame.take(&[3, 50, 51, 99, 140, 141, 222]).unwrap();
    let linear = Algorithm::LinearRegression(LinearParams::least_squares());
    let logistic = Algorithm::LogisticRegression(LinearParams::logistic());
    let mut models = models(&frame);
    models.push(model(linear, Task::Regression, &frame));
    models.push(model(logistic, binary(), &frame));
    for model in models {
        let found = explain(&model, &frame, Removal::Background(&background), Unit::Raw).unwrap();
        let outputs = found.base().len();
        for row in 0..6 {
            for output in 0..outputs {
                let expected = by_definition(4, |coalition| {
                    let mixed = raw(&model, &put_in(&frame, row, &background, coalition));
                    mixed.iter().skip(output).step_by(outputs).sum::<f64>() / background.rows() as f64
                });
                close(
                    &of_row(&found, row, output),
                    &expected,
                    1e-9,
                    model.algorithm().name(),
                );
            }
        }
    }
}

#[test]
fn values_of_a_linear_model_of_several_classes_add_up_to_its_scores() {
    let frame = frame(200, 4);
    let background = frame.take(&(0..30).collect::<Vec<_>>()).unwrap();
    let model = model(
        Algorithm::LogisticRegression(LinearParams::logistic()),
        several(),
        &frame,
    );
    let found = explain(&model, &frame, Removal::Background(&background), Unit::Raw).unwrap();
    let probabilities = predicted(&model, &frame);
    assert_eq!(found.base().len(), 3);
    for row in 0..frame.rows() {
        for class in 1..3 {
            let log_ratio = (probabilities[row * 3 + class] / probabilities[row * 3]).ln();
            let scores = found.prediction(row, class).unwrap() - found.prediction(row, 0).unwrap();
            assert!((log_ratio - scores).abs() < 1e-9, "{log_ratio} {scores}");
        }
    }
}

#[test]
fn values_add_up_to_the_prediction_whatever_the_removal_and_unit() {
    let frame = frame(200, 8);
    let background = frame.take(&(0..20).collect::<Vec<_>>()).unwrap();
    for model in models(&frame) {
        let adds_up_predictions = raw(&model, &frame)
            .iter()
            .zip(predicted(&model, &frame))
            .all(|(raw, predicted)| (raw - predicted).abs() < 1e-9);
        let several_boosted =
            matches!(model.algorithm(), Algorithm::GradientBoosting(_)) && model.label().task == several();
        for (path, removal) in [
            (true, Removal::PathDependent),
            (false, Removal::Background(&background)),
        ] {
            for unit in [Unit::Raw, Unit::Prediction] {
                let found = explain(&model, &frame, removal, unit);
                if unit == Unit::Prediction && !adds_up_predictions && (path || several_boosted) {
                    assert!(matches!(found, Err(ModelError::NotExplained { .. })));
                    continue;
                }
                let found = found.unwrap();
                let expected = match unit {
                    Unit::Raw => raw(&model, &frame),
                    Unit::Prediction => predicted(&model, &frame),
                };
                let outputs = found.base().len();
                let sums: Vec<f64> = (0..frame.rows() * outputs)
                    .map(|at| found.prediction(at / outputs, at % outputs).unwrap())
                    .collect();
                close(&sums, &expected, 1e-10, model.algorithm().name());
            }
        }
        let pairs = interactions(&model, &frame).unwrap();
        let own = explain(&model, &frame, Removal::PathDependent, Unit::Raw).unwrap();
        let output = own.base().len() - 1;
        for row in 0..frame.rows() {
            for feature in 0..4 {
                let sum: f64 = (0..4)
                    .map(|other| pairs.value(row, feature, other, output).unwrap())
                    .sum();
                assert!((sum - own.value(row, feature, output).unwrap()).abs() < 1e-10);
            }
            assert_eq!(pairs.value(row, 0, 1, output), pairs.value(row, 1, 0, output));
        }
    }
}

#[test]
fn asking_for_all_coalitions_gives_the_exact_values_and_orders_come_near_and_add_up() {
    let frame = frame(300, 5);
    let rows = frame.take(&(0..10).collect::<Vec<_>>()).unwrap();
    let background = frame.take(&[3, 50, 51, 99, 140, 141, 222]).unwrap();
    for model in models(&frame)
        .iter()
        .filter(|model| !matches!(model.algorithm(), Algorithm::GradientBoosting(_)))
    {
        let exact = explain(model, &rows, Removal::Background(&background), Unit::Raw).unwrap();
        let all = explain_by_asking(model, &rows, &background, 2, 1).unwrap();
        close(all.values(), exact.values(), 1e-9, "all coalitions");
        close(all.base(), exact.base(), 1e-9, "base");
        // One order and its reverse ask for fewer coalitions than there are.
        let orders = explain_by_asking(model, &rows, &background, 1, 1).unwrap();
        let outputs = orders.base().len();
        let sums: Vec<f64> = (0..10 * outputs)
            .map(|at| orders.prediction(at / outputs, at % outputs).unwrap())
            .collect();
        close(&sums, &predicted(model, &rows), 1e-10, "orders");
        assert!(
            orders
                .values()
                .iter()
                .zip(exact.values())
                .all(|(found, exact)| (found - exact).abs() < 0.5)
        );
        assert_eq!(
            orders,
            explain_by_asking(model, &rows, &background, 1, 1).unwrap()
        );
    }
    let linear = model(
        Algorithm::LinearRegression(LinearParams::least_squares()),
        Task::Regression,
        &frame,
    );
    let exact = explain(&linear, &rows, Removal::Background(&background), Unit::Raw).unwrap();
    let orders = explain_by_asking(&linear, &rows, &background, 1, 1).unwrap();
    close(
        orders.values(),
        exact.values(),
        1e-9,
        "a linear model, by one order",
    );
    let none = frame.take(&[]).unwrap();
    assert!(explain_by_asking(&linear, &rows, &none, 1, 1).is_err());
    assert!(explain_by_asking(&linear, &rows, &background, 0, 1).is_err());
}

#[test]
fn the_same_rows_give_the_same_values_alone_together_and_on_any_number_of_threads() {
    let frame = frame(200, 8);
    let model = &models(&frame)[0];
    let pool = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
    };
    let whole = |threads| {
        pool(threads).install(|| explain(model, &frame, Removal::PathDependent, Unit::Raw).unwrap())
    };
    assert_eq!(whole(1), whole(3));
    let alone = explain(
        model,
        &frame.take(&[77]).unwrap(),
        Removal::PathDependent,
        Unit::Raw,
    )
    .unwrap();
    assert_eq!(alone.values(), &whole(1).values()[77 * 4..78 * 4]);
}

#[test]
fn what_cannot_be_explained_is_refused() {
    let frame = frame(60, 2);
    let logistic = model(
        Algorithm::LogisticRegression(LinearParams::logistic()),
        binary(),
        &frame,
    );
    let none = frame.take(&[]).unwrap();
    for (removal, unit) in [
        (Removal::PathDependent, Unit::Raw),
        (Removal::Background(&frame), Unit::Prediction),
        (Removal::Background(&none), Unit::Raw),
    ] {
        assert!(explain(&logistic, &frame, removal, unit).is_err());
    }
    assert!(interactions(&logistic, &frame).is_err());
    let first = &models(&frame)[0];
    assert!(explain(first, &frame, Removal::Background(&none), Unit::Raw).is_err());
    assert_eq!(
        explain(first, &none, Removal::PathDependent, Unit::Raw).map(|found| found.rows()),
        Ok(0)
    );
}

#[test]
fn the_importance_of_a_feature_is_its_mean_absolute_share() {
    let frame = frame(200, 8);
    let model = &models(&frame)[3];
    let found = explain(model, &frame, Removal::PathDependent, Unit::Raw).unwrap();
    let importance = found.mean_absolute(0);
    assert_eq!(importance[0].0, "x");
    let own = Weights::Equal.mean((0..200).map(|row| found.value(row, 0, 0).unwrap().abs()));
    assert!((importance[0].1 - own).abs() < 1e-12);
    assert!(importance.windows(2).all(|pair| pair[0].1 >= pair[1].1));
}
