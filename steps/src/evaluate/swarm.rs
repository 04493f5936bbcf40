//! The picture of SHAP values: for each feature a swarm of points, one a row.

use super::explained::{Swarm, number};
use super::picture::{fitted, range};
use crate::page::escape;
use std::fmt::Write;

const WIDTH: f64 = 380.0;
const LEFT: f64 = 118.0;
const RIGHT: f64 = 10.0;
const LANE: f64 = 30.0;
/// Places from left to right at which points pile up.
const PLACES: usize = 90;

/// A lane for each feature; a point's colour is its feature's value from low to high.
pub(crate) fn picture(title: &str, swarms: &[Swarm], unit: &str) -> String {
    let (low, high) = range(
        swarms
            .iter()
            .flat_map(|swarm| swarm.points.iter().map(|(shap, _)| *shap))
            .chain([0.0]),
    );
    let x = |value: f64| LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT);
    let height = LANE * swarms.len() as f64 + 40.0;
    let bottom = height - 36.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\"><title>{}</title>\
         <path class=\"diagonal\" d=\"M{:.1} 0V{bottom:.1}\"/>",
        escape(title),
        x(0.0)
    );
    for (nth, swarm) in swarms.iter().enumerate() {
        let middle = LANE * nth as f64 + LANE / 2.0;
        let _ = write!(
            svg,
            "<text class=\"tick name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            middle + 4.0,
            fitted(&swarm.feature, 18)
        );
        let mut piles = vec![0u32; PLACES + 1];
        let place = |value: f64| ((value - low) / (high - low) * PLACES as f64) as usize;
        for (shap, _) in &swarm.points {
            piles[place(*shap).min(PLACES)] += 1;
        }
        let tallest = piles.iter().copied().max().unwrap_or(1).max(1);
        let step = (f64::from(tallest / 2 + 1)).recip() * (LANE / 2.0 - 3.0);
        let step = step.min(2.6);
        let mut seen = vec![0u32; PLACES + 1];
        for (shap, rank) in &swarm.points {
            let pile = &mut seen[place(*shap).min(PLACES)];
            *pile += 1;
            // Above and below the middle in turn.
            let offset = f64::from(*pile / 2) * step * if pile.is_multiple_of(2) { 1.0 } else { -1.0 };
            let colour = match rank {
                None => "qn".to_owned(),
                Some(rank) => format!("q{}", ((rank * 5.0) as usize).min(4)),
            };
            let _ = write!(
                svg,
                "<circle class=\"{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"1.7\"/>",
                x(*shap),
                middle + offset
            );
        }
    }
    for part in 0..=2 {
        let value = low + (high - low) * f64::from(part) / 2.0;
        let anchor = ["start", "middle", "end"][part as usize];
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            x(value),
            bottom + 14.0,
            number((value * 1e3).round() / 1e3)
        );
    }
    let _ = write!(
        svg,
        "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text></svg>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        height - 6.0,
        escape(unit)
    );
    svg
}
