//! Trains on a table in a simple binary form and prints AUC and seconds.
//!
//! The form: one line of JSON `{"rows", "numeric": [names], "categorical": {name: [categories]}}`,
//! then for each numeric column `rows` f64, for each categorical one `rows` u32 codes (4294967295
//! is missing), then `rows` f64 of the label (0 or 1), all little-endian.
//!
//! `cargo run --release --example flights -- TRAIN TEST [ALGORITHM [THREADS]]`

#![expect(clippy::print_stdout, reason = "an example that prints its results")]

use std::error::Error;
use std::time::Instant;
use trainyard_models::{
    Algorithm, BoostingParams, ClassWeight, Flow, ForestParams, Frame, FrameColumn, Label, LinearParams,
    Model, Predictor, Preprocessing, Task, Training, TreeParams, Values, train,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, train_path, test_path, rest @ ..] = arguments.as_slice() else {
        return Err("usage: flights TRAIN TEST [ALGORITHM [THREADS]]".into());
    };
    let (frame, target) = load(train_path)?;
    let (test, test_target) = load(test_path)?;
    let algorithm = match rest.first().map_or("gradient_boosting", String::as_str) {
        "gradient_boosting" => Algorithm::GradientBoosting(BoostingParams::default()),
        "random_forest" => Algorithm::RandomForest(ForestParams::default()),
        "decision_tree" => Algorithm::DecisionTree(TreeParams::default()),
        "logistic_regression" => Algorithm::LogisticRegression(LinearParams::logistic()),
        other => return Err(format!("no algorithm `{other}`").into()),
    };
    let threads = rest.get(1).map_or(Ok(2), |threads| threads.parse())?;
    let task = Task::Binary {
        negative: "on time".into(),
        positive: "late".into(),
    };
    let training = Training {
        algorithm,
        preprocessing: Preprocessing::default(),
        label: Label {
            name: "late".into(),
            task,
        },
        frame: &frame,
        target: &target,
        weights: None,
        class_weight: ClassWeight::None,
        valid: None,
        seed: 42,
        threads,
    };
    let started = Instant::now();
    let model = train(&training, &mut |_| Flow::GoOn)?;
    let fitted = started.elapsed();
    let started = Instant::now();
    let predictions = model.predict(&test)?.into_numbers()?;
    let predicted = started.elapsed();
    let bytes = model.to_bytes()?;
    let same = Model::from_bytes(&bytes)? == model;
    println!(
        "{} threads {threads}: auc {:.6}, log loss {:.6}, fit {:.2} s, predict {:.2} s, {} bytes, reads back {same}, hash {}, rounds {} converged {}",
        model.algorithm().name(),
        trainyard_models::metrics::roc_auc(&predictions, &test_target)?,
        trainyard_models::metrics::log_loss(&predictions, &test_target)?,
        fitted.as_secs_f64(),
        predicted.as_secs_f64(),
        bytes.len(),
        &blake3::hash(&bytes).to_hex()[..16],
        model.summary().rounds,
        model.summary().converged,
    );
    Ok(())
}

fn load(path: &str) -> Result<(Frame, Vec<f64>), Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let end = bytes
        .iter()
        .position(|&byte| byte == b'\n')
        .ok_or("no header line")?;
    let header: serde_json::Value = serde_json::from_slice(&bytes[..end])?;
    let rows = header["rows"].as_u64().ok_or("no rows")? as usize;
    let mut rest = &bytes[end + 1..];
    let mut take = |size: usize| {
        let (taken, next) = rest.split_at_checked(size).ok_or("file too short")?;
        rest = next;
        Ok::<&[u8], &str>(taken)
    };
    let mut columns = Vec::new();
    for name in header["numeric"].as_array().ok_or("no numeric columns")? {
        let values = take(rows * 8)?
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| f64::from_le_bytes(*bytes))
            .collect();
        columns.push(FrameColumn {
            name: name.as_str().unwrap_or_default().into(),
            values: Values::Numeric(values),
        });
    }
    for (name, categories) in header["categorical"]
        .as_object()
        .ok_or("no categorical columns")?
    {
        let codes = take(rows * 4)?
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes))
            .collect();
        let dictionary = serde_json::from_value(categories.clone())?;
        columns.push(FrameColumn {
            name: name.clone(),
            values: Values::Categorical { codes, dictionary },
        });
    }
    let target = take(rows * 8)?
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bytes| f64::from_le_bytes(*bytes))
        .collect();
    Ok((Frame::new(columns)?, target))
}
