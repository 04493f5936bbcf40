//! Pictures as inline SVG: colours come from the page's style, so that they suit light and dark.

use super::explained::number;
use crate::page::escape;
use std::fmt::Write;

/// Size of a picture and of the part that holds the data.
const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

/// A line through points.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether the points are marked.
    pub(crate) marked: bool,
}

/// A picture with axes from the first to the second number of their ranges.
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) x_name: String,
    pub(crate) y_name: String,
    pub(crate) x_range: (f64, f64),
    pub(crate) y_range: (f64, f64),
    /// Whether the line x = y helps.
    pub(crate) diagonal: bool,
}

/// The range of some numbers with a little air; something wide enough to draw where they are all one.
pub(crate) fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return (0.0, 1.0);
    }
    let air = if high > low {
        (high - low) * 0.04
    } else {
        0.5 * high.abs().max(1.0)
    };
    (low - air, high + air)
}

fn share(value: f64, (from, to): (f64, f64)) -> f64 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

impl Plot {
    /// Both axes from 0 to 1.
    pub(crate) fn unit(title: &str, x_name: &str, y_name: &str, diagonal: bool) -> Self {
        Self {
            title: title.to_owned(),
            x_name: x_name.to_owned(),
            y_name: y_name.to_owned(),
            x_range: (0.0, 1.0),
            y_range: (0.0, 1.0),
            diagonal,
        }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + share(value, self.x_range) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - share(value, self.y_range) * (HEIGHT - TOP - BOTTOM)
    }

    fn frame(&self, inside: &str, description: &str) -> String {
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{}</title><desc>{}</desc>",
            escape(&self.title),
            escape(description)
        );
        let (left, right) = (self.x(self.x_range.0), self.x(self.x_range.1));
        let (bottom, top) = (self.y(self.y_range.0), self.y(self.y_range.1));
        for step in 0..=4 {
            let part = f64::from(step) / 4.0;
            let at = |(from, to): (f64, f64)| from + (to - from) * part;
            let (x_value, y_value) = (at(self.x_range), at(self.y_range));
            let (x, y) = (self.x(x_value), self.y(y_value));
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{left:.1} {y:.1}H{right:.1}M{x:.1} {bottom:.1}V{top:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                left - 6.0,
                y + 4.0,
                short(y_value, self.y_range),
                bottom + 16.0,
                short(x_value, self.x_range),
            );
        }
        let _ = write!(
            svg,
            "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text class=\"axis\" transform=\"translate(12 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>{inside}</svg>",
            (left + right) / 2.0,
            HEIGHT - 6.0,
            escape(&self.x_name),
            (top + bottom) / 2.0,
            escape(&self.y_name),
        );
        svg
    }

    fn diagonal(&self) -> String {
        if !self.diagonal {
            return String::new();
        }
        let from = self.x_range.0.max(self.y_range.0);
        let to = self.x_range.1.min(self.y_range.1);
        if from >= to {
            return String::new();
        }
        format!(
            "<path class=\"diagonal\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>",
            self.x(from),
            self.y(from),
            self.x(to),
            self.y(to)
        )
    }

    /// Lines, the first one in the page's main colour.
    pub(crate) fn lines(&self, lines: &[Line]) -> String {
        let mut inside = self.diagonal();
        for (nth, line) in lines.iter().enumerate() {
            let path: Vec<String> = line
                .points
                .iter()
                .map(|(x, y)| format!("{:.1} {:.1}", self.x(*x), self.y(*y)))
                .collect();
            if !path.is_empty() {
                let _ = write!(
                    inside,
                    "<path class=\"line l{}\" d=\"M{}\"><title>{}</title></path>",
                    nth % 6,
                    path.join("L"),
                    escape(&line.name)
                );
            }
            for (x, y) in line.points.iter().filter(|_| line.marked) {
                let _ = write!(
                    inside,
                    "<circle class=\"dot d{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{}, {}</title></circle>",
                    nth % 6,
                    self.x(*x),
                    self.y(*y),
                    number(*x),
                    number(*y)
                );
            }
        }
        let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        self.frame(&inside, &names.join(", "))
    }

    /// A cloud of points, with the zero of the upright axis marked where it is inside.
    pub(crate) fn cloud(&self, points: &[(f64, f64)], description: &str) -> String {
        let mut inside = self.diagonal();
        if self.y_range.0 < 0.0 && self.y_range.1 > 0.0 && !self.diagonal {
            let _ = write!(
                inside,
                "<path class=\"diagonal\" d=\"M{:.1} {:.1}H{:.1}\"/>",
                self.x(self.x_range.0),
                self.y(0.0),
                self.x(self.x_range.1)
            );
        }
        for (x, y) in points {
            let _ = write!(
                inside,
                "<circle class=\"point\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2\"/>",
                self.x(*x),
                self.y(*y)
            );
        }
        self.frame(&inside, description)
    }

    /// Bars over bins of equal width, two series drawn over each other.
    pub(crate) fn bars(&self, bins: &[(f64, f64)], names: [&str; 2]) -> String {
        let mut inside = String::new();
        let (from, to) = self.x_range;
        let width = (to - from) / bins.len().max(1) as f64;
        for (nth, (first, second)) in bins.iter().enumerate() {
            for (class, value) in [("b0", first), ("b1", second)] {
                let left = self.x(from + width * nth as f64);
                let top = self.y(*value);
                let _ = write!(
                    inside,
                    "<rect class=\"bar {class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                    (self.x(from + width) - self.x(from) - 1.0).max(0.5),
                    (self.y(0.0) - top).max(0.0)
                );
            }
        }
        self.frame(&inside, &format!("{} and {}", names[0], names[1]))
    }
}

/// A name as long as there is room for.
pub(crate) fn fitted(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        return escape(name);
    }
    let head: String = name.chars().take(letters.saturating_sub(1)).collect();
    format!("{}…", escape(&head))
}

/// Names with values as bars from left to right, each with a whisker of one deviation.
pub(crate) fn ranking(title: &str, rows: &[(String, f64, f64)]) -> String {
    let most = rows
        .iter()
        .map(|(_, value, spread)| value + spread)
        .fold(1e-12, f64::max);
    let height = 22.0 * rows.len() as f64 + 8.0;
    let (label, width) = (130.0, WIDTH);
    let length = |value: f64| (value / most).clamp(0.0, 1.0) * (width - label - 64.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{}</title>",
        escape(title)
    );
    for (nth, (name, value, spread)) in rows.iter().enumerate() {
        let y = 4.0 + 22.0 * nth as f64;
        let end = label + length(*value);
        let _ = write!(
            svg,
            "<text class=\"tick name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"bar b1\" x=\"{label}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"16\"/>",
            label - 8.0,
            y + 12.0,
            fitted(name, 20),
            length(*value),
        );
        if *spread > 0.0 {
            let _ = write!(
                svg,
                "<path class=\"whisker\" d=\"M{:.1} {:.1}H{:.1}\"/>",
                label + length(value - spread),
                y + 8.0,
                label + length(value + spread),
            );
        }
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            label.max(end + length(*spread)) + 6.0,
            y + 12.0,
            number(*value),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Names with values as bars to the left and right of zero.
pub(crate) fn balance(title: &str, rows: &[(String, f64)]) -> String {
    let most = rows.iter().map(|(_, value)| value.abs()).fold(1e-12, f64::max);
    let height = 20.0 * rows.len() as f64 + 6.0;
    let (label, width) = (170.0, WIDTH);
    let room = (width - label - 8.0) / 2.0;
    let zero = label + room;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{}</title>\
         <path class=\"diagonal\" d=\"M{zero:.1} 0V{height:.1}\"/>",
        escape(title)
    );
    for (nth, (name, value)) in rows.iter().enumerate() {
        let y = 3.0 + 20.0 * nth as f64;
        let length = (value.abs() / most).min(1.0) * (room - 46.0);
        let (class, x) = if *value < 0.0 {
            ("b0", zero - length)
        } else {
            ("b1", zero)
        };
        let (anchor, beside) = if *value < 0.0 {
            ("end", zero - length - 4.0)
        } else {
            ("start", zero + length + 4.0)
        };
        let sign = if *value > 0.0 { "+" } else { "" };
        let _ = write!(
            svg,
            "<text class=\"tick name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"bar {class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"14\"/>\
             <text class=\"tick\" x=\"{beside:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{sign}{}</text>",
            label - 8.0,
            y + 11.0,
            fitted(name, 27),
            y + 11.0,
            number(*value),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A tick of an axis, as exact as the axis is long.
fn short(value: f64, (from, to): (f64, f64)) -> String {
    let length = (to - from).abs();
    if !(1e-3..1e6).contains(&length) {
        return format!("{value:.1e}");
    }
    let text = if length >= 40.0 {
        format!("{value:.0}")
    } else if length >= 4.0 {
        format!("{value:.1}")
    } else {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if text.trim_start_matches('-').trim_matches(['0', '.']).is_empty() {
        "0".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_data_cannot_become_markup() {
        let name = "</svg><script>";
        let svg =
            ranking("<b>", &[(name.to_owned(), 1.0, 0.1)]) + &balance("<b>", &[(name.to_owned(), -1.0)]);
        assert!(!svg.contains("<script") && !svg.contains("<b>"));
    }

    #[test]
    fn points_outside_the_axes_stay_at_the_edge_and_numbers_are_finite() {
        let plot = Plot::unit("t", "x", "y", true);
        let line = Line {
            name: "l".into(),
            points: vec![(-3.0, 9.0), (2.0, 0.5)],
            marked: true,
        };
        let svg = plot.lines(&[line]);
        assert!(svg.contains("M56.0 12.0L366.0 126.0"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn a_range_can_be_drawn_whatever_the_numbers_are() {
        for values in [vec![], vec![f64::NAN], vec![3.0], vec![0.0, 0.0], vec![-1.0, 1.0]] {
            let (low, high) = range(values.iter().copied());
            assert!(low < high && low.is_finite() && high.is_finite(), "{values:?}");
        }
    }
}
