//! Pictures of columns as inline SVG.

use super::association::Association;
use super::column::{ColumnProfile, number};
use crate::page::escape;
use crate::table::grouped;
use std::fmt::Write;

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 90.0;

/// The column's histogram, or its most frequent values as bars, or nothing.
pub(super) fn of(column: &ColumnProfile) -> String {
    if column.top.is_empty() {
        return match &column.histogram {
            Some(histogram) => {
                let ends = match (&column.min, &column.max) {
                    (Some(min), Some(max)) => (min.clone(), max.clone()),
                    _ => (number(histogram.from), number(histogram.to)),
                };
                bars(&column.name, &histogram.counts, &ends)
            }
            None => String::new(),
        };
    }
    let most = column
        .top
        .iter()
        .map(|frequency| frequency.count)
        .max()
        .unwrap_or(1);
    let rows = column.top.iter().map(|frequency| {
        (
            frequency.value.as_str(),
            frequency.count as f64 / most as f64,
            grouped(frequency.count),
        )
    });
    lines(&column.name, rows)
}

/// Strength of relations as bars.
pub(super) fn strengths(associations: &[Association]) -> String {
    let rows = associations.iter().map(|association| {
        let shown = format!("{:.3} {}", association.strength, association.measure);
        (association.left.as_str(), association.strength.abs(), shown)
    });
    lines("strength", rows)
}

fn bars(name: &str, counts: &[u64], (from, to): &(String, String)) -> String {
    let most = counts.iter().max().copied().unwrap_or(1).max(1) as f64;
    let step = WIDTH / counts.len().max(1) as f64;
    let mut svg = open(name, HEIGHT + 14.0);
    for (at, count) in counts.iter().enumerate() {
        let height = *count as f64 / most * HEIGHT;
        let _ = write!(
            svg,
            "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\"><title>{}</title></rect>",
            at as f64 * step + 0.5,
            HEIGHT - height,
            (step - 1.0).max(0.5),
            grouped(*count)
        );
    }
    let below = HEIGHT + 11.0;
    let _ = write!(
        svg,
        "<text x=\"0\" y=\"{below}\">{}</text><text x=\"{WIDTH}\" y=\"{below}\" text-anchor=\"end\">{}</text></svg>",
        escape(from),
        escape(to)
    );
    svg
}

fn lines<'a>(name: &str, rows: impl Iterator<Item = (&'a str, f64, String)> + Clone) -> String {
    let mut svg = open(name, rows.clone().count() as f64 * 15.0);
    for (at, (label, share, shown)) in rows.enumerate() {
        let top = at as f64 * 15.0;
        let short: String = label.chars().take(24).collect();
        let _ = write!(
            svg,
            "<text class=\"on\" x=\"0\" y=\"{:.1}\">{}</text>\
             <rect x=\"110\" y=\"{:.1}\" width=\"{:.2}\" height=\"10\"/>\
             <text x=\"{:.2}\" y=\"{:.1}\">{}</text>",
            top + 10.0,
            escape(&short),
            top + 2.0,
            share.clamp(0.0, 1.0) * 120.0,
            share.clamp(0.0, 1.0) * 120.0 + 114.0,
            top + 10.0,
            escape(&shown)
        );
    }
    svg.push_str("</svg>");
    svg
}

fn open(name: &str, height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
        escape(name)
    )
}
