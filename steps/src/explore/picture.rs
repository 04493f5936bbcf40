//! Pictures of columns as inline SVG; colours come from the page's style.

use super::column::{ColumnProfile, Frequency, Histogram, number, percent};
use super::relations::Relation;
use super::target::{Bin, Kind as TargetKind, Target};
use super::time::Clock;
use crate::page::escape;
use crate::table::grouped;
use std::fmt::Write;

const WIDTH: f64 = 360.0;

/// The shape of a column at a glance: a histogram without words, or the most frequent values as bars.
pub(super) fn glance(column: &ColumnProfile) -> String {
    let counts: Vec<u64> = match &column.histogram {
        Some(histogram) => histogram.counts.clone(),
        None => column.top.iter().map(|top| top.count).collect(),
    };
    let most = counts.iter().max().copied().unwrap_or(0).max(1) as f64;
    let step = 100.0 / counts.len().max(1) as f64;
    let mut svg = format!(
        "<svg viewBox=\"0 0 100 30\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"shape of {}\">",
        escape(&column.name)
    );
    for (at, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = (*count as f64 / most * 30.0).max(0.6);
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\"/>",
            at as f64 * step,
            30.0 - height,
            (step * 0.9).max(0.4)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A histogram with its axes.
pub(super) fn histogram(name: &str, histogram: &Histogram, clock: Option<Clock>) -> String {
    const LEFT: f64 = 46.0;
    const HIGH: f64 = 130.0;
    let length = histogram.width * histogram.counts.len() as f64;
    let shown = |value: f64| match clock {
        None => number(value),
        Some(clock) => clock.shown_within(value, length),
    };
    let most = histogram.counts.iter().max().copied().unwrap_or(0).max(1);
    let step = (WIDTH - LEFT) / histogram.counts.len().max(1) as f64;
    let mut svg = open(name, HIGH + 28.0);
    for share in [0.0, 0.5, 1.0] {
        let y = 8.0 + HIGH * (1.0 - share);
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{WIDTH}\"/><text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 5.0,
            y + 4.0,
            short((most as f64 * share).round() as u64)
        );
    }
    for (at, count) in histogram.counts.iter().enumerate() {
        let from = histogram.from + histogram.width * at as f64;
        let height = *count as f64 / most as f64 * HIGH;
        let range = match (histogram.whole && clock.is_none(), histogram.width) {
            (_, 0.0) => shown(from),
            (true, 1.0) => number((from + 0.5).round()),
            (true, width) => format!(
                "{} to {}",
                number((from + 0.5).round()),
                number((from + width - 0.5).round())
            ),
            (false, width) => format!("{} to {}", shown(from), shown(from + width)),
        };
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\"><title>{}: {}</title></rect>",
            LEFT + at as f64 * step + step * 0.04,
            8.0 + HIGH - height,
            step * 0.92,
            escape(&range),
            grouped(*count)
        );
    }
    let bins = histogram.counts.len();
    let ends: Vec<(f64, &str, String)> = if histogram.width == 0.0 {
        vec![((LEFT + WIDTH) / 2.0, "middle", shown(histogram.from))]
    } else if histogram.whole && clock.is_none() && histogram.width == 1.0 {
        // Under the bar that the number stands for.
        let every = bins.div_ceil(8).max(1);
        (0..bins)
            .step_by(every)
            .map(|at| {
                let x = LEFT + (at as f64 + 0.5) * step;
                (x, "middle", number((histogram.from + 0.5 + at as f64).round()))
            })
            .collect()
    } else {
        let half = if histogram.whole && clock.is_none() {
            0.5
        } else {
            0.0
        };
        let at = |place: usize| shown(histogram.from + half + histogram.width * place as f64);
        let middle = bins / 2;
        vec![
            (LEFT, "start", at(0)),
            (LEFT + middle as f64 * step, "middle", at(middle)),
            (WIDTH, "end", at(bins)),
        ]
    };
    for (x, anchor, words) in ends {
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            HIGH + 23.0,
            escape(&words)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// The most frequent values as bars with their share of `values`.
pub(super) fn frequencies(name: &str, top: &[Frequency], values: usize) -> String {
    let most = top.first().map_or(1, |top| top.count).max(1) as f64;
    let rows = top.iter().map(|top| {
        let share = percent(top.count as f64 / values.max(1) as f64);
        (
            top.value.as_str(),
            top.count as f64 / most,
            format!("{} · {share}", grouped(top.count)),
        )
    });
    bars(name, rows)
}

/// How well each column alone bears on the target.
pub(super) fn bearings(target: &Target) -> String {
    let rows = target.columns.iter().take(25).map(|bearing| {
        let value = bearing.alone.unwrap_or_else(|| bearing.relation.size());
        // An area of one half is no knowledge at all.
        let length = if target.kind == TargetKind::TwoClasses {
            (value - 0.5) * 2.0
        } else {
            value
        };
        (bearing.column.as_str(), length, format!("{value:.3}"))
    });
    bars("columns by how well they tell the target", rows)
}

/// The target by bins, with intervals.
pub(super) fn by_bin(name: &str, bins: &[Bin], as_share: bool) -> String {
    const LABEL: f64 = 120.0;
    const RIGHT: f64 = 62.0;
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for bin in bins {
        low = low.min(bin.low);
        high = high.max(bin.high);
    }
    if as_share {
        low = 0.0;
    }
    let range = (high - low).max(1e-12);
    let x = |value: f64| LABEL + ((value - low) / range).clamp(0.0, 1.0) * (WIDTH - LABEL - RIGHT);
    let mut svg = open(name, bins.len() as f64 * 19.0 + 6.0);
    for (at, bin) in bins.iter().enumerate() {
        let y = at as f64 * 19.0 + 12.0;
        let shown = if as_share {
            percent(bin.target)
        } else {
            number(bin.target)
        };
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <path class=\"grid\" d=\"M{LABEL} {y:.1}H{:.1}\"/>\
             <path class=\"whisker\" d=\"M{:.1} {y:.1}H{:.1}\"/><circle class=\"dot\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{} ({} to {}), n = {}</title></circle>\
             <text class=\"tick\" x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LABEL - 8.0,
            y + 4.0,
            escape(&clipped(&bin.name, 19)),
            WIDTH - RIGHT,
            x(bin.low),
            x(bin.high),
            x(bin.target),
            escape(&shown),
            number(bin.low),
            number(bin.high),
            grouped(bin.rows as u64),
            y + 4.0,
            escape(&shown)
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Relations of all pairs of up to `most` columns as a square of cells, darker for stronger.
pub(super) fn square(names: &[&str], relations: &[Relation]) -> String {
    const LABEL: f64 = 110.0;
    const CELL: f64 = 24.0;
    // The last slanting name reaches beyond its cell.
    const BEYOND: f64 = 44.0;
    let side = LABEL + CELL * names.len() as f64;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} {side}\" role=\"img\" aria-label=\"strength of all pairs\">",
        side + BEYOND
    );
    let place = |name: &str| names.iter().position(|other| *other == name);
    for (at, name) in names.iter().enumerate() {
        let middle = LABEL + (at as f64 + 0.5) * CELL;
        let short = escape(&clipped(name, 16));
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{short}</text>\
             <text class=\"tick\" transform=\"translate({:.1} {:.1}) rotate(-60)\">{short}</text>",
            LABEL - 6.0,
            middle + 4.0,
            middle + 2.0,
            LABEL - 6.0
        );
    }
    for relation in relations {
        let (Some(left), Some(right)) = (place(&relation.left), place(&relation.right)) else {
            continue;
        };
        for (row, column) in [(left, right), (right, left)] {
            let class = if relation.strength < 0.0 { "b0" } else { "b1" };
            let _ = write!(
                svg,
                "<rect class=\"{class}\" fill-opacity=\"{:.2}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{} and {}: {} {}, n = {}</title></rect>",
                (relation.size() * 0.95 + 0.03).min(1.0),
                LABEL + column as f64 * CELL + 1.0,
                LABEL + row as f64 * CELL + 1.0,
                CELL - 2.0,
                CELL - 2.0,
                escape(&relation.left),
                escape(&relation.right),
                super::report::measure(relation.measure),
                number(relation.strength),
                grouped(relation.rows as u64)
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Names with bars from left to right; lengths are 0 to 1.
pub(super) fn bars<'a>(name: &str, rows: impl Iterator<Item = (&'a str, f64, String)>) -> String {
    const LABEL: f64 = 120.0;
    const RIGHT: f64 = 96.0;
    let rows: Vec<_> = rows.collect();
    let mut svg = open(name, rows.len() as f64 * 20.0 + 4.0);
    for (at, (label, share, shown)) in rows.iter().enumerate() {
        let y = at as f64 * 20.0 + 2.0;
        let length = share.clamp(0.0, 1.0) * (WIDTH - LABEL - RIGHT);
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}<title>{}</title></text>\
             <rect class=\"bar\" x=\"{LABEL}\" y=\"{y:.1}\" width=\"{length:.2}\" height=\"15\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LABEL - 8.0,
            y + 11.5,
            escape(&clipped(label, 19)),
            escape(label),
            LABEL + length + 5.0,
            y + 11.5,
            escape(shown)
        );
    }
    svg.push_str("</svg>");
    svg
}

fn clipped(text: &str, most: usize) -> String {
    if text.trim().is_empty() {
        return format!("“{text}”");
    }
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let head: String = text.chars().take(most - 1).collect();
    format!("{head}…")
}

/// A count in few signs: 950, 12k, 3.4M.
fn short(count: u64) -> String {
    let scaled = |unit: f64, name: &str| {
        let text = format!("{:.1}", count as f64 / unit);
        format!("{}{name}", text.trim_end_matches(".0"))
    };
    match count {
        0..10_000 => grouped(count),
        10_000..1_000_000 => scaled(1e3, "k"),
        _ => scaled(1e6, "M"),
    }
}

fn open(name: &str, height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
        escape(name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_data_cannot_become_markup() {
        let top = [Frequency {
            value: "</svg><script>".to_owned(),
            count: 3,
        }];
        let svg = frequencies("\"><b>", &top, 3);
        assert!(!svg.contains("<script") && !svg.contains("<b>"), "{svg}");
    }

    #[test]
    fn counts_are_short() {
        assert_eq!(
            [short(950), short(12_000), short(3_400_000)],
            ["950", "12k", "3.4M"]
        );
    }
}
