//! Trains one algorithm on the rows of one CSV and predicts those of another, for comparing with
//! other libraries (`beside.py` calls it).
//!
//! `beside TRAIN.csv TEST.csv SPEC.json OUT.json`: a header of `n:name` (numbers) or `c:name`
//! (categories), the label being the last column; no quotes; an empty field is missing. The spec is
//! `{"algorithm": …, "task": …}`; what is written are predictions, the summary and the seconds that
//! training and prediction took.

use serde::Deserialize;
use serde_json::json;
use std::error::Error;
use std::path::Path;
use std::time::Instant;
use trainyard_models::frame::categorical;
use trainyard_models::{
    Algorithm, ClassWeight, Flow, Frame, FrameColumn, Label, Predictions, Predictor, Preprocessing, Task,
    Training, Values, train,
};

#[derive(Deserialize)]
struct Spec {
    algorithm: Algorithm,
    task: Task,
}

fn read(path: &Path) -> Result<(Frame, Vec<f64>), Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().ok_or("no header")?.split(',').collect();
    let mut fields: Vec<Vec<&str>> = vec![Vec::new(); names.len()];
    for line in lines {
        for (column, field) in fields.iter_mut().zip(line.split(',')) {
            column.push(field);
        }
    }
    let number = |field: &&str| {
        if field.is_empty() {
            Ok(f64::NAN)
        } else {
            field.parse::<f64>()
        }
    };
    let target = fields.pop().ok_or("no columns")?;
    let target = target.iter().map(number).collect::<Result<_, _>>()?;
    let mut columns = Vec::new();
    for (name, fields) in names.iter().zip(fields) {
        let values = if name.starts_with("n:") {
            Values::Numeric(fields.iter().map(number).collect::<Result<_, _>>()?)
        } else {
            categorical(fields.iter().map(|field| (!field.is_empty()).then_some(*field)))
        };
        columns.push(FrameColumn {
            name: (*name).to_owned(),
            values,
        });
    }
    Ok((Frame::new(columns)?, target))
}

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [train_rows, test_rows, spec, out] = paths.as_slice() else {
        return Err("usage: beside TRAIN.csv TEST.csv SPEC.json OUT.json".into());
    };
    let (frame, target) = read(Path::new(train_rows))?;
    let (test, _) = read(Path::new(test_rows))?;
    let spec: Spec = serde_json::from_str(&std::fs::read_to_string(spec)?)?;
    let target = if spec.task == Task::Cluster {
        Vec::new()
    } else {
        target
    };
    let training = Training {
        algorithm: spec.algorithm,
        preprocessing: Preprocessing::default(),
        label: Label {
            name: "label".to_owned(),
            task: spec.task,
        },
        frame: &frame,
        target: &target,
        weights: None,
        class_weight: ClassWeight::None,
        calibration: None,
        valid: None,
        seed: 1,
        threads: 2,
    };
    let started = Instant::now();
    let model = train(&training, &mut |_| Flow::GoOn)?;
    let fit_seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let predictions = model.predict(&test)?;
    let predict_seconds = started.elapsed().as_secs_f64();
    let predictions: Vec<f64> = match predictions {
        Predictions::Numbers(numbers) => numbers,
        Predictions::Classes(classes) => classes.values().to_vec(),
        Predictions::Clusters(clusters) => clusters
            .iter()
            .map(|cluster| cluster.map_or(-1.0, f64::from))
            .collect(),
    };
    let report = json!({
        "predictions": predictions,
        "summary": model.summary(),
        "fit_seconds": fit_seconds,
        "predict_seconds": predict_seconds,
    });
    std::fs::write(out, serde_json::to_vec(&report)?)?;
    Ok(())
}
