//! Explains a boosted model and writes what `shap_beside.py` needs to do the same with the shap package.
//!
//! `cargo run --release -p trainyard-models --example shap -- FOLDER`, then
//! `python examples/shap_beside.py FOLDER`

#![expect(clippy::print_stdout, reason = "an example that prints its results")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;
use trainyard_models::random::Random;
use trainyard_models::shap::{Removal, Unit, explain};
use trainyard_models::{
    Algorithm, BoostingParams, ClassWeight, Flow, Frame, FrameColumn, Label, Preprocessing, Task, Training,
    Values, train,
};

const FEATURES: usize = 20;
const TRAIN_ROWS: usize = 20_000;
const ROWS: usize = 1_000;
const BACKGROUND: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: shap FOLDER")?;
    let mut random = Random::new(1);
    let table: Vec<Vec<f64>> = (0..FEATURES)
        .map(|_| {
            let mut value = || match random.uniform() {
                missing if missing < 0.05 => f64::NAN,
                // Exact in 32 bits, in which the package compares.
                _ => f64::from(random.uniform() as f32),
            };
            (0..TRAIN_ROWS).map(|_| value()).collect()
        })
        .collect();
    let known = |feature: usize, row: usize| Some(table[feature][row]).filter(|x| !x.is_nan()).unwrap_or(0.5);
    let target: Vec<f64> = (0..TRAIN_ROWS)
        .map(|row| {
            let score: f64 = (0..FEATURES / 2)
                .map(|feature| (known(feature, row) - 0.5) * known(feature + 1, row) * 4.0)
                .sum();
            f64::from(u8::from(random.uniform() < 1.0 / (1.0 + (-score).exp())))
        })
        .collect();
    let columns = table.iter().enumerate().map(|(feature, values)| FrameColumn {
        name: format!("x{feature:02}"),
        values: Values::Numeric(values.clone()),
    });
    let frame = Frame::new(columns.collect())?;
    let training = Training {
        algorithm: Algorithm::GradientBoosting(BoostingParams::default()),
        preprocessing: Preprocessing::default(),
        label: Label {
            name: "y".into(),
            task: Task::Binary {
                negative: "no".into(),
                positive: "yes".into(),
            },
        },
        frame: &frame,
        target: &target,
        weights: None,
        class_weight: ClassWeight::None,
        valid: None,
        calibration: None,
        seed: 1,
        threads: 0,
    };
    let model = train(&training, &mut |_| Flow::GoOn)?;
    let rows = frame.take(&(0..ROWS).collect::<Vec<_>>())?;
    let background = frame.take(&(ROWS..ROWS + BACKGROUND).collect::<Vec<_>>())?;
    println!("{} trees of up to 31 leaves, {FEATURES} features", model.trees());
    for (name, removal, unit) in [
        ("path", Removal::PathDependent, Unit::Raw),
        ("background", Removal::Background(&background), Unit::Raw),
        ("probability", Removal::Background(&background), Unit::Prediction),
    ] {
        let (started, worked) = (Instant::now(), cpu_seconds()?);
        let found = explain(&model, &rows, removal, unit)?;
        let (seconds, worked) = (started.elapsed().as_secs_f64(), cpu_seconds()? - worked);
        println!(
            "{name}: {:.0} rows/s of CPU ({worked:.2} s), {:.0} rows/s",
            ROWS as f64 / worked,
            ROWS as f64 / seconds
        );
        write(&folder, &format!("{name}.f64"), found.values())?;
    }
    std::fs::write(Path::new(&folder).join("model.bin"), model.to_bytes()?)?;
    let by_row: Vec<f64> = (0..ROWS + BACKGROUND)
        .flat_map(|row| table.iter().map(move |column| column[row]))
        .collect();
    write(&folder, "rows.f64", &by_row)
}

/// What all threads have worked so far, in hundredths of a second (Linux).
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let sum: f64 = ticks.map(|ticks| ticks.parse().unwrap_or(0.0)).sum();
    Ok(sum / 100.0)
}

fn write(folder: &str, name: &str, values: &[f64]) -> Result<(), Box<dyn Error>> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Ok(std::fs::write(Path::new(folder).join(name), bytes)?)
}
