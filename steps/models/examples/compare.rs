//! Trains and predicts on the splits that `compare.py` draws, which holds the results beside those
//! of LightGBM and scikit-learn. See `examples/README.md`.
//!
//! The form of a data set: one line of JSON `{"rows", "numeric": [names], "categorical": {name:
//! [categories]}, "classes": [names] or null, "splits"}`, then for each numeric column `rows` f64, for
//! each categorical one `rows` u32 codes (4294967295 is missing), `rows` f64 of the label, and for
//! each split `rows` bytes: 0 trains, 1 tests, 2 is left out. All little-endian.
//!
//! `cargo run --release -p trainyard-models --example compare -- DATA ALGORITHMS.json OUT THREADS`

#![expect(clippy::print_stdout, reason = "an example that prints its results")]

use serde::Deserialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;
use trainyard_models::{
    Algorithm, ClassWeight, Flow, Frame, FrameColumn, Label, Predictions, Predictor, Preprocessing, Task,
    Training, Values, train,
};

#[derive(Deserialize)]
struct Header {
    rows: usize,
    numeric: Vec<String>,
    categorical: BTreeMap<String, Vec<String>>,
    classes: Option<Vec<String>>,
    splits: usize,
}

struct Data {
    frame: Frame,
    target: Vec<f64>,
    task: Task,
    splits: Vec<Vec<u8>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, data, algorithms, out, threads] = arguments.as_slice() else {
        return Err("usage: compare DATA ALGORITHMS.json OUT THREADS".into());
    };
    let data = load(data)?;
    let algorithms: BTreeMap<String, Algorithm> = serde_json::from_slice(&std::fs::read(algorithms)?)?;
    let threads = threads.parse()?;
    for (split, part) in data.splits.iter().enumerate() {
        let rows =
            |wanted: u8| -> Vec<usize> { (0..part.len()).filter(|&row| part[row] == wanted).collect() };
        let (train_rows, test_rows) = (rows(0), rows(1));
        let frame = data.frame.take(&train_rows)?;
        let target: Vec<f64> = train_rows.iter().map(|&row| data.target[row]).collect();
        let test = data.frame.take(&test_rows)?;
        for (name, algorithm) in &algorithms {
            let training = Training {
                algorithm: algorithm.clone(),
                preprocessing: Preprocessing::default(),
                label: Label {
                    name: "label".into(),
                    task: data.task.clone(),
                },
                frame: &frame,
                target: &target,
                weights: None,
                class_weight: ClassWeight::None,
                calibration: None,
                valid: None,
                seed: split as u64,
                threads,
            };
            let (started, cpu) = (Instant::now(), cpu_seconds());
            let model = train(&training, &mut |_| Flow::GoOn)?;
            let (fit, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
            let started = Instant::now();
            let predictions = model.predict(&test)?;
            let predict = started.elapsed().as_secs_f64();
            let numbers = match &predictions {
                Predictions::Numbers(numbers) => numbers.as_slice(),
                Predictions::Classes(classes) => classes.values(),
                Predictions::Clusters(_) => &[],
            };
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            std::fs::write(format!("{out}/{name}.{split}"), bytes)?;
            let line =
                serde_json::json!({"name": name, "split": split, "fit": fit, "cpu": cpu, "predict": predict});
            println!("{line}");
        }
    }
    Ok(())
}

/// Processor time of this process so far, where `/proc` tells it, in hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |nth: usize| -> f64 {
        let field = after_name.split_whitespace().nth(nth);
        field.and_then(|ticks| ticks.parse().ok()).unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

fn load(path: &str) -> Result<Data, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let end = bytes
        .iter()
        .position(|&byte| byte == b'\n')
        .ok_or("no header line")?;
    let header: Header = serde_json::from_slice(&bytes[..end])?;
    let mut rest = &bytes[end + 1..];
    let mut take = |size: usize| {
        let (taken, next) = rest.split_at_checked(size).ok_or("file too short")?;
        rest = next;
        Ok::<&[u8], &str>(taken)
    };
    let numbers = |bytes: &[u8]| -> Vec<f64> {
        bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| f64::from_le_bytes(*bytes))
            .collect()
    };
    let mut columns = Vec::new();
    for name in header.numeric {
        let values = Values::Numeric(numbers(take(header.rows * 8)?));
        columns.push(FrameColumn { name, values });
    }
    for (name, dictionary) in header.categorical {
        let codes = take(header.rows * 4)?
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes))
            .collect();
        let values = Values::Categorical { codes, dictionary };
        columns.push(FrameColumn { name, values });
    }
    let target = numbers(take(header.rows * 8)?);
    let splits = (0..header.splits)
        .map(|_| take(header.rows).map(<[u8]>::to_vec))
        .collect::<Result<Vec<Vec<u8>>, &str>>()?;
    let task = match header.classes {
        None => Task::Regression,
        Some(classes) => match classes.as_slice() {
            [negative, positive] => Task::Binary {
                negative: negative.clone(),
                positive: positive.clone(),
            },
            _ => Task::Multiclass { classes },
        },
    };
    Ok(Data {
        frame: Frame::new(columns)?,
        target,
        task,
        splits,
    })
}
