//! The tree-structured Parzen estimator (Bergstra et al. 2011).

use super::space::{Axis, Range};
use serde_json::{Map, Value};
use trainyard_models::metrics::{normal_cdf, normal_quantile};
use trainyard_models::random::Random;

/// Candidates drawn from the good trials' density, of which the best is taken.
const DRAWN: usize = 24;
/// Share of the trials that count as good, and how many at most.
const GOOD: f64 = 0.15;
const MOST_GOOD: usize = 25;

/// Parameters of trials.
type Trials<'t> = &'t [&'t Map<String, Value>];

/// The trials, best first, split into good ones and others.
pub(super) fn split<'t>(ranked: Trials<'t>) -> (Trials<'t>, Trials<'t>) {
    let good = ((ranked.len() as f64 * GOOD).ceil() as usize).clamp(1, MOST_GOOD);
    ranked.split_at(good.min(ranked.len()))
}

/// A value of one dimension where good trials were denser than the others.
pub(super) fn choose(
    axis: &Axis,
    good: &[&Map<String, Value>],
    others: &[&Map<String, Value>],
    random: &mut Random,
) -> Value {
    let places = |trials: &[&Map<String, Value>]| -> Vec<f64> {
        trials
            .iter()
            .filter_map(|trial| Some(axis.range.place_of(trial.get(&axis.name)?)))
            .collect()
    };
    let of = |places: Vec<f64>| Density::new(&axis.range, places, None);
    let (good, others) = (of(places(good)), of(places(others)));
    let mut best = (f64::NEG_INFINITY, 0.5);
    for _ in 0..DRAWN {
        let component = random.below(good.components());
        let place = good.draw(component, random);
        let gain = good.mixed(place).ln() - others.mixed(place).ln();
        if gain > best.0 {
            best = (gain, place);
        }
    }
    axis.range.at(best.1)
}

/// Values of several dimensions together, so that what goes well together is tried together (as
/// Optuna's `multivariate`).
pub(super) fn choose_together(
    axes: &[&Axis],
    good: &[&Map<String, Value>],
    others: &[&Map<String, Value>],
    random: &mut Random,
) -> Vec<Value> {
    let of = |trials: &[&Map<String, Value>]| -> Vec<Density> {
        // Scott's rule in as many dimensions.
        let width = 0.2 * (trials.len().max(1) as f64).powf(-1.0 / (axes.len() as f64 + 4.0));
        axes.iter()
            .map(|axis| {
                let places = trials.iter().map(|trial| match trial.get(&axis.name) {
                    Some(value) => axis.range.place_of(value),
                    // Not tried there: it says nothing.
                    None => f64::NAN,
                });
                Density::new(&axis.range, places.collect(), Some(width))
            })
            .collect()
    };
    let (good, others) = (of(good), of(others));
    let joint = |densities: &[Density], places: &[f64]| -> f64 {
        let components = densities.first().map_or(1, Density::components);
        let each = (0..components).map(|component| {
            densities
                .iter()
                .zip(places)
                .map(|(density, place)| density.at(component, *place))
                .product::<f64>()
        });
        each.sum::<f64>() / components as f64
    };
    let mut best = (f64::NEG_INFINITY, vec![0.5; axes.len()]);
    for _ in 0..DRAWN {
        let component = random.below(good.first().map_or(1, Density::components));
        let places: Vec<f64> = good
            .iter()
            .map(|density| density.draw(component, random))
            .collect();
        let gain = joint(&good, &places).ln() - joint(&others, &places).ln();
        if gain > best.0 {
            best = (gain, places);
        }
    }
    axes.iter()
        .zip(best.1)
        .map(|(axis, place)| axis.range.at(place))
        .collect()
}

/// Bells at the places of trials, cut off at 0 and 1, and a wide one that keeps every place possible;
/// for choices shares in their stead.
struct Density {
    /// Center and width; the last is the wide one.
    bells: Vec<(f64, f64)>,
    /// Number of choices.
    choices: Option<usize>,
}

/// Weight of all other choices beside the one of a trial.
const OTHER_CHOICES: f64 = 0.2;

impl Density {
    fn new(range: &Range, places: Vec<f64>, width: Option<f64>) -> Self {
        let count = places.len();
        let least = 1.0 / (count as f64 + 2.0).min(100.0);
        let mut sorted: Vec<f64> = places.iter().copied().filter(|place| !place.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let neighbours = |place: f64| {
            // The greater distance to the neighbours, ends included (Bergstra et al. 2011).
            let at = sorted.partition_point(|other| *other < place);
            let left = place - at.checked_sub(1).map_or(0.0, |left| sorted[left]);
            let right = sorted.get(at + 1).copied().unwrap_or(1.0) - place;
            left.max(right)
        };
        let mut bells: Vec<(f64, f64)> = places
            .iter()
            .map(|place| {
                let own = width.unwrap_or_else(|| neighbours(*place));
                (*place, own.clamp(least, 1.0))
            })
            .collect();
        bells.push((0.5, 1.0));
        Self {
            bells,
            choices: range.choices().map(<[Value]>::len),
        }
    }

    fn components(&self) -> usize {
        self.bells.len()
    }

    fn is_wide(&self, component: usize) -> bool {
        component + 1 == self.bells.len() || self.bells[component].0.is_nan()
    }

    /// The density of one component.
    fn at(&self, component: usize, place: f64) -> f64 {
        let (center, width) = self.bells[component];
        match self.choices {
            Some(_) if self.is_wide(component) => 1.0,
            Some(choices) => {
                let nth = |place: f64| ((place * choices as f64).floor() as usize).min(choices - 1);
                let other = OTHER_CHOICES / choices as f64;
                let own = 1.0 - OTHER_CHOICES + other;
                choices as f64 * if nth(place) == nth(center) { own } else { other }
            }
            None if self.bells[component].0.is_nan() => 1.0,
            None => {
                let z = (place - center) / width;
                let inside = normal_cdf((1.0 - center) / width) - normal_cdf(-center / width);
                (-0.5 * z * z).exp() / (width * (2.0 * std::f64::consts::PI).sqrt() * inside)
            }
        }
    }

    fn mixed(&self, place: f64) -> f64 {
        let all = (0..self.components()).map(|component| self.at(component, place));
        all.sum::<f64>() / self.components() as f64
    }

    fn draw(&self, component: usize, random: &mut Random) -> f64 {
        let (center, width) = self.bells[component];
        let chance = random.uniform();
        if self.choices.is_some() {
            let own = !self.is_wide(component) && chance >= OTHER_CHOICES;
            return if own { center } else { random.uniform() };
        }
        if center.is_nan() {
            return chance;
        }
        let (low, high) = (normal_cdf(-center / width), normal_cdf((1.0 - center) / width));
        let place = center + width * normal_quantile(low + (high - low) * chance);
        if place.is_finite() {
            place.clamp(0.0, 1.0)
        } else {
            center
        }
    }
}
