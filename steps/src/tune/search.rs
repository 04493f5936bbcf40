//! Which parameters a search tries, one trial at a time.

mod parzen;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trainyard_models::random::Random;

/// Values a parameter may take, all limits included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Range {
    /// Integers from low to high.
    Int([i64; 2]),
    /// Numbers from low to high, all alike.
    Float([f64; 2]),
    /// Numbers above 0 from low to high, every power of ten alike.
    LogUniform([f64; 2]),
    /// One of these.
    Choice(Vec<Value>),
}

/// How trials are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    /// Each trial on its own, at random.
    #[default]
    Random,
    /// Every combination, ranges of numbers taken at `grid_points` values.
    Grid,
    /// Tree-structured Parzen estimator: values near those of good trials are tried more often.
    Tpe,
}

/// What a search may try.
pub(crate) type Space = IndexMap<String, Range>;

impl Range {
    /// Why there is no value in it, if so.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Int([low, high]) => (low > high).then_some("its low end is above its high end"),
            Self::Float([low, high]) if !(low.is_finite() && high.is_finite()) => {
                Some("its ends must be numbers")
            }
            Self::Float([low, high]) => (low > high).then_some("its low end is above its high end"),
            Self::LogUniform([low, high]) if !(*low > 0.0 && high.is_finite()) => {
                Some("its ends must be above 0")
            }
            Self::LogUniform([low, high]) => (low > high).then_some("its low end is above its high end"),
            Self::Choice(values) => values.is_empty().then_some("it has no values to choose from"),
        }
    }

    /// The value at `place` between 0 (low end) and 1 (high end).
    fn at(&self, place: f64) -> Value {
        let place = place.clamp(0.0, 1.0);
        match self {
            Self::Int([low, high]) => {
                let span = (high - low) as f64 + 1.0;
                json!((*low + (place * span).floor() as i64).min(*high))
            }
            Self::Float([low, high]) => json!(low + (high - low) * place),
            Self::LogUniform([low, high]) => json!(
                (low.ln() + (high.ln() - low.ln()) * place)
                    .exp()
                    .clamp(*low, *high)
            ),
            Self::Choice(values) => {
                let nth =
                    ((place * values.len() as f64).floor() as usize).min(values.len().saturating_sub(1));
                values.get(nth).cloned().unwrap_or(Value::Null)
            }
        }
    }

    /// Where a value stands between 0 and 1, in the middle of its step for integers and choices.
    fn place_of(&self, value: &Value) -> f64 {
        let number = value.as_f64().unwrap_or(0.0);
        let place = match self {
            Self::Int([low, high]) => (number - *low as f64 + 0.5) / ((high - low) as f64 + 1.0),
            Self::Float([low, high]) if high > low => (number - low) / (high - low),
            Self::LogUniform([low, high]) if high > low => (number.ln() - low.ln()) / (high.ln() - low.ln()),
            Self::Float(_) | Self::LogUniform(_) => 0.5,
            Self::Choice(values) => {
                let nth = values.iter().position(|known| known == value).unwrap_or(0);
                (nth as f64 + 0.5) / values.len().max(1) as f64
            }
        };
        if place.is_finite() {
            place.clamp(0.0, 1.0)
        } else {
            0.5
        }
    }

    /// The values a grid takes: all if there are not more than `points`.
    fn grid(&self, points: usize) -> Vec<Value> {
        match self {
            Self::Choice(values) => values.clone(),
            Self::Int([low, high]) if high - low < points as i64 => {
                (*low..=*high).map(|n| json!(n)).collect()
            }
            Self::Int([low, high]) => spread(points)
                .map(|place| json!(low + ((high - low) as f64 * place).round() as i64))
                .collect(),
            Self::Float(_) | Self::LogUniform(_) => spread(points).map(|place| self.at(place)).collect(),
        }
    }
}

fn spread(points: usize) -> impl Iterator<Item = f64> {
    let points = points.max(1);
    (0..points).map(move |nth| {
        if points == 1 {
            0.5
        } else {
            nth as f64 / (points - 1) as f64
        }
    })
}

/// A finished trial, as far as the next ones depend on it.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    pub(crate) params: Map<String, Value>,
    /// Higher is better.
    pub(crate) score: f64,
}

/// Chooses trials. What it chooses depends on seed and finished trials, never on time.
pub(crate) struct Search<'a> {
    space: &'a Space,
    method: Method,
    seed: u64,
    grid: Vec<Map<String, Value>>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(
        space: &'a Space,
        method: Method,
        grid_points: usize,
        max_trials: usize,
        seed: u64,
    ) -> Self {
        let grid = if method == Method::Grid {
            combinations(space, grid_points, max_trials)
        } else {
            Vec::new()
        };
        Self {
            space,
            method,
            seed,
            grid,
        }
    }

    /// How many trials there are to make.
    pub(crate) fn trials(&self, max_trials: usize) -> usize {
        match self.method {
            _ if self.space.is_empty() => 1,
            Method::Grid => self.grid.len(),
            Method::Random | Method::Tpe => max_trials.max(1),
        }
    }

    /// The parameters of trial `number`, counted from 0, after the finished trials `tried`.
    pub(crate) fn choose(&self, number: usize, tried: &[Tried]) -> Map<String, Value> {
        if let Some(chosen) = self.grid.get(number) {
            return chosen.clone();
        }
        let mut random = Random::stream(self.seed, number as u64);
        self.space
            .iter()
            .map(|(name, range)| {
                let place = match self.method {
                    Method::Tpe => parzen::choose(range, name, tried, &mut random),
                    Method::Random | Method::Grid => random.uniform(),
                };
                (name.clone(), range.at(place))
            })
            .collect()
    }
}

/// The first `most` combinations, the last parameter changing fastest.
fn combinations(space: &Space, points: usize, most: usize) -> Vec<Map<String, Value>> {
    let mut all = vec![Map::new()];
    for (name, range) in space {
        let values = range.grid(points);
        let mut next = Vec::new();
        for chosen in &all {
            for value in &values {
                let mut chosen = chosen.clone();
                chosen.insert(name.clone(), value.clone());
                next.push(chosen);
            }
        }
        // Enough for `most` whatever the later parameters multiply by.
        next.truncate(most.max(1));
        all = next;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        serde_json::from_value(json!({
            "max_depth": {"int": [3, 9]}, "learning_rate": {"log_uniform": [0.01, 0.3]},
            "row_share": {"float": [0.5, 1.0]}, "num_leaves": {"choice": [15, 31]}
        }))
        .unwrap()
    }

    #[test]
    fn random_values_lie_in_their_ranges_and_reach_both_ends_of_integers() {
        let space = space();
        let search = Search::new(&space, Method::Random, 5, 500, 1);
        let mut depths = std::collections::BTreeSet::new();
        for number in 0..500 {
            let chosen = search.choose(number, &[]);
            depths.insert(chosen["max_depth"].as_i64().unwrap());
            assert!((0.01..=0.3).contains(&chosen["learning_rate"].as_f64().unwrap()));
            assert!((0.5..=1.0).contains(&chosen["row_share"].as_f64().unwrap()));
            assert!([15, 31].contains(&chosen["num_leaves"].as_i64().unwrap()));
        }
        assert_eq!(depths.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9]);
        let again = Search::new(&space, Method::Random, 5, 500, 1);
        assert_eq!(search.choose(7, &[]), again.choose(7, &[]));
    }

    #[test]
    fn a_log_uniform_range_gives_every_power_of_ten_the_same_chance() {
        let space: Space = serde_json::from_value(json!({"l2": {"log_uniform": [0.01, 100.0]}})).unwrap();
        let search = Search::new(&space, Method::Random, 5, 4_000, 3);
        let below_one = (0..4_000)
            .filter(|n| search.choose(*n, &[])["l2"].as_f64().unwrap() < 1.0)
            .count();
        assert!((1_900..2_100).contains(&below_one), "{below_one}");
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let space: Space =
            serde_json::from_value(json!({"a": {"int": [1, 3]}, "b": {"float": [0.0, 1.0]}})).unwrap();
        let search = Search::new(&space, Method::Grid, 3, 100, 1);
        let all: Vec<String> = (0..search.trials(100))
            .map(|n| json!(search.choose(n, &[])).to_string())
            .collect();
        assert_eq!(all.len(), 9);
        assert_eq!(
            (all[0].as_str(), all[8].as_str()),
            (r#"{"a":1,"b":0.0}"#, r#"{"a":3,"b":1.0}"#)
        );
        assert_eq!(Search::new(&space, Method::Grid, 2, 4, 1).trials(4), 4);
    }

    #[test]
    fn places_and_values_of_a_range_belong_together() {
        for range in space().values() {
            for place in [0.05, 0.3, 0.55, 0.93] {
                let value = range.at(place);
                let back = range.at(range.place_of(&value));
                let same = match (value.as_f64(), back.as_f64()) {
                    (Some(value), Some(back)) => (value - back).abs() < 1e-9,
                    _ => value == back,
                };
                assert!(same, "{value} became {back}");
            }
        }
    }

    #[test]
    fn the_parzen_estimator_goes_where_trials_were_good() {
        let space: Space = serde_json::from_value(json!({"x": {"float": [0.0, 1.0]}})).unwrap();
        let search = Search::new(&space, Method::Tpe, 5, 60, 5);
        let mut tried: Vec<Tried> = Vec::new();
        for number in 0..60 {
            let params = search.choose(number, &tried);
            let x = params["x"].as_f64().unwrap();
            tried.push(Tried {
                params,
                score: -(x - 0.7) * (x - 0.7),
            });
        }
        let near = |trials: &[Tried]| {
            trials
                .iter()
                .filter(|t| (t.params["x"].as_f64().unwrap() - 0.7).abs() < 0.1)
                .count()
        };
        assert!(near(&tried[40..]) >= 12, "{} of the last 20", near(&tried[40..]));
    }

    #[test]
    fn ranges_without_a_value_are_faults() {
        let fault = |value: Value| serde_json::from_value::<Range>(value).unwrap().fault();
        assert!(fault(json!({"int": [9, 3]})).is_some());
        assert!(fault(json!({"log_uniform": [0.0, 1.0]})).is_some());
        assert!(fault(json!({"choice": []})).is_some());
        assert_eq!(fault(json!({"float": [0.1, 0.1]})), None);
    }
}
