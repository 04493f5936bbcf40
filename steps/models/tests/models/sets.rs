//! Small training sets with known structure.

use trainyard_models::frame::categorical;
use trainyard_models::random::Random;
use trainyard_models::{
    Algorithm, ClassWeight, Flow, Frame, FrameColumn, Label, Model, Predictor, Preprocessing, Task, Training,
    Values, train,
};

pub(crate) struct Set {
    pub(crate) frame: Frame,
    pub(crate) target: Vec<f64>,
    /// Log odds the labels were drawn with, where they were.
    pub(crate) odds: Vec<f64>,
}

pub(crate) fn column(name: &str, values: Values) -> FrameColumn {
    FrameColumn {
        name: name.to_owned(),
        values,
    }
}

/// Log odds `2x − 1 + 1.5·[city is a or c] − 2·[z is missing]`; `noise` says nothing.
pub(crate) fn mixed(rows: usize, seed: u64) -> Set {
    let mut random = Random::new(seed);
    let (mut x, mut z, mut noise, mut city) = (vec![], vec![], vec![], vec![]);
    let (mut target, mut all_odds) = (vec![], vec![]);
    for _ in 0..rows {
        x.push(random.uniform());
        z.push(if random.uniform() < 0.2 {
            f64::NAN
        } else {
            random.uniform()
        });
        noise.push(random.uniform());
        city.push(["a", "b", "c", "d", "e", "f"].get(random.below(7)).copied());
    }
    for row in 0..rows {
        let mut odds = 2.0 * x[row] - 1.0;
        odds += if matches!(city[row], Some("a" | "c")) {
            1.5
        } else {
            0.0
        };
        odds -= if z[row].is_nan() { 2.0 } else { 0.0 };
        all_odds.push(odds);
        target.push(f64::from(u8::from(
            random.uniform() < 1.0 / (1.0 + (-odds).exp()),
        )));
    }
    let frame = Frame::new(vec![
        column("x", Values::Numeric(x)),
        column("z", Values::Numeric(z)),
        column("noise", Values::Numeric(noise)),
        column("city", categorical(city)),
    ])
    .unwrap();
    Set {
        frame,
        target,
        odds: all_odds,
    }
}

pub(crate) fn binary() -> Label {
    Label {
        name: "y".into(),
        task: Task::Binary {
            negative: "no".into(),
            positive: "yes".into(),
        },
    }
}

pub(crate) fn number() -> Label {
    Label {
        name: "y".into(),
        task: Task::Regression,
    }
}

pub(crate) fn training(algorithm: Algorithm, label: Label, set: &Set) -> Training<'_> {
    Training {
        algorithm,
        preprocessing: Preprocessing::default(),
        label,
        frame: &set.frame,
        target: &set.target,
        weights: None,
        class_weight: ClassWeight::None,
        calibration: None,
        valid: None,
        seed: 7,
        threads: 2,
    }
}

pub(crate) fn trained(algorithm: Algorithm, label: Label, set: &Set) -> Model {
    train(&training(algorithm, label, set), &mut |_| Flow::GoOn).unwrap()
}

/// Predictions of one number a row.
pub(crate) fn numbers(model: &Model, frame: &Frame) -> Vec<f64> {
    model.predict(frame).unwrap().into_numbers().unwrap()
}
