//! The tree-structured Parzen estimator (Bergstra et al. 2011), a parameter at a time.

use super::{Range, Tried};
use trainyard_models::random::Random;

/// Trials made at random before any are learnt from.
const AT_RANDOM: usize = 10;
/// Places drawn from the good trials' density, of which the best is taken.
const DRAWN: usize = 24;

/// A place between 0 and 1 where good trials were denser than the others.
pub(super) fn choose(range: &Range, name: &str, tried: &[Tried], random: &mut Random) -> f64 {
    if tried.len() < AT_RANDOM {
        return random.uniform();
    }
    let mut ranked: Vec<(f64, f64)> = tried
        .iter()
        .filter_map(|trial| Some((trial.score, range.place_of(trial.params.get(name)?))))
        .collect();
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0));
    let good = ranked.len().div_ceil(4).min(25);
    let places: Vec<f64> = ranked.into_iter().map(|(_, place)| place).collect();
    let (good, others) = places.split_at(good);
    let (good, others) = (Density::of(good), Density::of(others));
    let mut best = (f64::NEG_INFINITY, 0.5);
    for _ in 0..DRAWN {
        let place = good.draw(random);
        let gain = good.at(place).ln() - others.at(place).ln();
        if gain > best.0 {
            best = (gain, place);
        }
    }
    best.1
}

/// A mixture of bells at some places and a flat part, which keeps every place possible.
struct Density<'a> {
    places: &'a [f64],
    width: f64,
}

impl<'a> Density<'a> {
    fn of(places: &'a [f64]) -> Self {
        // Scott's rule on the unit interval, bounded so that no bell becomes a needle.
        let width = (0.4 * (places.len().max(1) as f64).powf(-0.2) * 0.5).clamp(0.03, 0.3);
        Self { places, width }
    }

    fn at(&self, place: f64) -> f64 {
        let bell = |centre: f64| {
            let z = (place - centre) / self.width;
            (-0.5 * z * z).exp() / (self.width * (2.0 * std::f64::consts::PI).sqrt())
        };
        (1.0 + self.places.iter().map(|centre| bell(*centre)).sum::<f64>()) / (self.places.len() + 1) as f64
    }

    fn draw(&self, random: &mut Random) -> f64 {
        match self.places.get(random.below(self.places.len() + 1)) {
            None => random.uniform(),
            Some(centre) => {
                // Box and Muller's normal number; 1 − u is never 0.
                let radius = (-2.0 * (1.0 - random.uniform()).ln()).sqrt();
                let angle = 2.0 * std::f64::consts::PI * random.uniform();
                (centre + self.width * radius * angle.cos()).clamp(0.0, 1.0)
            }
        }
    }
}
