//! How much each parameter decided: functional analysis of variance over a forest of the trials
//! (Hutter, Hoos and Leyton-Brown 2014).

use super::plan::Plan;
use super::trial::{Outcome, State};
use serde_json::{Map, Value};
use trainyard_models::frame::categorical;
use trainyard_models::random::Random;
use trainyard_models::{
    Algorithm, ClassWeight, Flow, ForestParams, Frame, FrameColumn, Label, Predictor, Preprocessing, Task,
    Training, Values, train,
};

/// Trials before anything is said of parameters.
const FEWEST_TRIALS: usize = 10;
/// Points of the space that means are taken over.
const POINTS: usize = 256;
/// Values of a parameter that its effect is looked at.
const VALUES: usize = 16;

/// The share of a parameter in how the metric varies over the space, others averaged out, most
/// first. What is missing to 1 lies in how they act together. Empty with too few trials.
pub(super) fn importance(plan: &Plan, outcomes: &[&Outcome], seed: u64) -> Vec<(String, f64)> {
    let complete: Vec<(&Map<String, Value>, f64)> = outcomes
        .iter()
        .filter(|outcome| outcome.state == State::Complete && outcome.job.share >= 1.0)
        .filter_map(|outcome| Some((&outcome.job.params, outcome.value?)))
        .collect();
    if complete.len() < FEWEST_TRIALS || plan.space().axes.is_empty() {
        return Vec::new();
    }
    let params: Vec<&Map<String, Value>> = complete.iter().map(|(params, _)| *params).collect();
    let target: Vec<f64> = complete.iter().map(|(_, value)| *value).collect();
    found(plan, &params, &target, seed).unwrap_or_default()
}

fn found(
    plan: &Plan,
    params: &[&Map<String, Value>],
    target: &[f64],
    seed: u64,
) -> Option<Vec<(String, f64)>> {
    let frame = frame(plan, params)?;
    let forest = ForestParams {
        n_trees: 64,
        min_leaf: 2,
        ..ForestParams::default()
    };
    let training = Training {
        algorithm: Algorithm::RandomForest(forest),
        preprocessing: Preprocessing::default(),
        label: Label {
            name: "value".to_owned(),
            task: Task::Regression,
        },
        frame: &frame,
        target,
        weights: None,
        class_weight: ClassWeight::None,
        calibration: None,
        valid: None,
        seed,
        threads: 1,
    };
    let model = train(&training, &mut |_| Flow::GoOn).ok()?;
    let predict = |points: &[&Map<String, Value>]| -> Option<Vec<f64>> {
        model
            .predict(&self::frame(plan, points)?)
            .ok()?
            .into_numbers()
            .ok()
    };
    let points: Vec<Map<String, Value>> = (0..POINTS)
        .map(|point| plan.draw(&mut Random::stream(seed, u64::MAX - point as u64)))
        .collect();
    let whole = variance(&predict(&points.iter().collect::<Vec<_>>())?);
    let mut shares = Vec::new();
    for axis in &plan.space().axes {
        let having: Vec<&Map<String, Value>> = points
            .iter()
            .filter(|point| point.contains_key(&axis.name))
            .collect();
        let mut means = Vec::new();
        for value in axis.range.grid(VALUES) {
            let changed: Vec<Map<String, Value>> = having
                .iter()
                .map(|point| {
                    let mut point = (*point).clone();
                    point.insert(axis.name.clone(), value.clone());
                    point
                })
                .collect();
            if changed.is_empty() {
                continue;
            }
            let predicted = predict(&changed.iter().collect::<Vec<_>>())?;
            means.push(predicted.iter().sum::<f64>() / predicted.len() as f64);
        }
        let of_all = having.len() as f64 / POINTS as f64;
        let share = if whole > 0.0 {
            variance(&means) * of_all / whole
        } else {
            0.0
        };
        shares.push((axis.name.clone(), share.clamp(0.0, 1.0)));
    }
    shares.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
    Some(shares)
}

/// Trials as rows: numbers by their place in their range, choices as categories, missing where they
/// do not apply.
fn frame(plan: &Plan, params: &[&Map<String, Value>]) -> Option<Frame> {
    let columns = plan.space().axes.iter().map(|axis| {
        let values = match axis.range.choices() {
            Some(_) => {
                let texts: Vec<Option<String>> = params
                    .iter()
                    .map(|chosen| chosen.get(&axis.name).map(Value::to_string))
                    .collect();
                categorical(texts.iter().map(Option::as_deref))
            }
            None => {
                let place = |chosen: &&Map<String, Value>| {
                    chosen
                        .get(&axis.name)
                        .map_or(f64::NAN, |value| axis.range.place_of(value))
                };
                Values::Numeric(params.iter().map(place).collect())
            }
        };
        FrameColumn {
            name: axis.name.clone(),
            values,
        }
    });
    Frame::new(columns.collect()).ok()
}

fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64
}
