//! Pictures of a search as inline SVG; colours come from the page's style, so that they suit light and
//! dark.

use crate::page::escape;
use std::fmt::Write;

const WIDTH: f64 = 640.0;
const SMALL: f64 = 340.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 34.0;

/// A trial in a picture.
pub(super) struct Dot {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) faint: bool,
    /// Shown where one points at it.
    pub(super) title: String,
}

fn open(title: &str, width: f64, height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{}</title>",
        escape(title)
    )
}

/// Dots, and a line in steps through `best`. `ends` are the words at the ends of an axis from 0 to 1;
/// without them the axis goes from the first dot to the last.
pub(super) fn scatter(
    x_name: &str,
    y_name: &str,
    dots: &[Dot],
    best: &[(f64, f64)],
    ends: Option<&(String, String)>,
) -> String {
    // One of many small pictures is drawn small, so that its words are not.
    let width = if ends.is_some() { SMALL } else { WIDTH };
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low < high {
            (low, high)
        } else {
            (low - 0.5, high + 0.5)
        }
    };
    if dots.is_empty() {
        return String::new();
    }
    let (bottom, top) = range(&mut dots.iter().map(|dot| dot.y));
    let (first, last) = match ends {
        Some(_) => (0.0, 1.0),
        None => range(&mut dots.iter().map(|dot| dot.x)),
    };
    let x = |value: f64| LEFT + (value - first) / (last - first) * (width - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - (value - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM);
    let mut svg = open(&format!("{y_name} by {x_name}"), width, HEIGHT);
    for step in 0..=4 {
        let value = bottom + (top - bottom) * f64::from(step) / 4.0;
        let _ = write!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" style=\"stroke:var(--rule);fill:none\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            width - RIGHT,
            LEFT - 5.0,
            y(value) + 3.0,
            short(value),
            at = y(value),
        );
    }
    let _ = write!(
        svg,
        "<text class=\"axis\" x=\"2\" y=\"9\">{}</text>",
        escape(y_name)
    );
    let (from, to) = match ends {
        Some((from, to)) => (from.clone(), to.clone()),
        None => (short(first), short(last)),
    };
    let _ = write!(
        svg,
        "<text class=\"tick\" x=\"{LEFT}\" y=\"{line:.1}\">{}</text>\
         <text class=\"tick\" x=\"{:.1}\" y=\"{line:.1}\" text-anchor=\"end\">{}</text>\
         <text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        escape(&from),
        width - RIGHT,
        escape(&to),
        (LEFT + width - RIGHT) / 2.0,
        HEIGHT - 4.0,
        escape(x_name),
        line = HEIGHT - BOTTOM + 14.0,
    );
    for dot in dots {
        let style = if dot.faint {
            "fill:none;stroke:var(--soft)"
        } else {
            "fill:var(--main);fill-opacity:.75"
        };
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" style=\"{style}\"><title>{}</title></circle>",
            x(dot.x),
            y(dot.y),
            escape(&dot.title)
        );
    }
    if let Some((begin, value)) = best.first() {
        let mut path = format!("M{:.1} {:.1}", x(*begin), y(*value));
        for (at, value) in &best[1..] {
            let _ = write!(path, "H{:.1}V{:.1}", x(*at), y(*value));
        }
        let _ = write!(
            svg,
            "<path d=\"{path}\" style=\"fill:none;stroke:var(--ink);stroke-width:1.5\"><title>best so far</title></path>"
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Shares as bars.
pub(super) fn bars(shares: &[(String, f64)]) -> String {
    const LINE: f64 = 20.0;
    let most = shares.iter().map(|(_, share)| *share).fold(1e-9, f64::max);
    let mut svg = open(
        "importance of parameters",
        WIDTH,
        shares.len() as f64 * LINE + 4.0,
    );
    for (at, (name, share)) in shares.iter().enumerate() {
        let top = at as f64 * LINE + 2.0;
        let _ = write!(
            svg,
            "<text class=\"axis\" x=\"220\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"bar\" x=\"228\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{share:.3}</text>",
            top + 13.0,
            escape(name),
            top + 3.0,
            share / most * 330.0,
            LINE - 7.0,
            234.0 + share / most * 330.0,
            top + 13.0,
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A line for each trial through its places on every axis; it is broken where an axis does not apply.
pub(super) fn parallel(axes: &[(String, (String, String))], lines: &[(Vec<Option<f64>>, bool)]) -> String {
    let x = |nth: usize| LEFT + nth as f64 / (axes.len().max(2) - 1) as f64 * (WIDTH - 2.0 * LEFT);
    let y = |place: f64| HEIGHT - BOTTOM - place * (HEIGHT - 2.0 * TOP - BOTTOM);
    let mut svg = open("parameters of each trial", WIDTH, HEIGHT);
    for (places, strong) in lines {
        let mut path = String::new();
        let mut pen = 'M';
        for (nth, place) in places.iter().enumerate() {
            match place {
                Some(place) => {
                    let _ = write!(path, "{pen}{:.1} {:.1}", x(nth), y(*place));
                    pen = 'L';
                }
                None => pen = 'M',
            }
        }
        let style = if *strong {
            "stroke:var(--main);stroke-width:2"
        } else {
            "stroke:var(--soft);stroke-opacity:.35"
        };
        let _ = write!(svg, "<path d=\"{path}\" style=\"fill:none;{style}\"/>");
    }
    for (nth, (name, (low, high))) in axes.iter().enumerate() {
        let at = x(nth);
        let _ = write!(
            svg,
            "<path d=\"M{at:.1} {:.1}V{:.1}\" style=\"stroke:var(--rule)\"/>\
             <text class=\"axis\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            y(1.0),
            y(0.0),
            HEIGHT - 4.0,
            escape(name),
            y(0.0) + 12.0,
            escape(low),
            y(1.0) - 5.0,
            escape(high)
        );
    }
    svg.push_str("</svg>");
    svg
}

fn short(value: f64) -> String {
    match value.abs() {
        whole if value.fract() == 0.0 && whole < 1e6 => format!("{value:.0}"),
        small if small > 0.0 && small < 1e-3 => format!("{value:.1e}"),
        large if large >= 1e5 => format!("{value:.2e}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_titles_cannot_become_markup() {
        let dots = [Dot {
            x: 1.0,
            y: 0.5,
            faint: false,
            title: "<script>".into(),
        }];
        let drawn = scatter("<b>", "y", &dots, &[(1.0, 0.5)], None);
        assert!(!drawn.contains("<script>") && !drawn.contains("<b>") && drawn.contains("<circle"));
        assert!(!drawn.contains("NaN"), "{drawn}");
        let lines = [(vec![Some(0.0), None], true)];
        let one = parallel(&[("<i>".into(), (String::new(), String::new()))], &lines);
        assert!(!one.contains("<i>"));
    }
}
