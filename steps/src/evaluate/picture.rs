//! Pictures as inline SVG: colours come from the page's style, so that they suit light and dark.

use crate::page::escape;
use std::fmt::Write;

/// Size of a picture and of the part that holds the data.
const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

/// A line through points.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether the points are marked.
    pub(crate) marked: bool,
}

/// A picture with both axes from 0 to `x_most` and `y_most`.
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) x_name: &'static str,
    pub(crate) y_name: &'static str,
    pub(crate) x_most: f64,
    pub(crate) y_most: f64,
    /// Whether the line x = y helps.
    pub(crate) diagonal: bool,
}

impl Plot {
    fn x(&self, value: f64) -> f64 {
        LEFT + (value / self.x_most).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value / self.y_most).clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn frame(&self, inside: &str, description: &str) -> String {
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{}</title><desc>{}</desc>",
            escape(&self.title),
            escape(description)
        );
        for step in 0..=4 {
            let share = f64::from(step) / 4.0;
            let (x, y) = (self.x(self.x_most * share), self.y(self.y_most * share));
            let (bottom, top, right) = (self.y(0.0), self.y(self.y_most), self.x(self.x_most));
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right:.1}M{x:.1} {bottom:.1}V{top:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                LEFT - 6.0,
                y + 4.0,
                short(self.y_most * share),
                bottom + 16.0,
                short(self.x_most * share),
            );
        }
        let _ = write!(
            svg,
            "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
             <text class=\"axis\" transform=\"translate(12 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>{inside}</svg>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 6.0,
            escape(self.x_name),
            (TOP + HEIGHT - BOTTOM) / 2.0,
            escape(self.y_name),
        );
        svg
    }

    /// Lines, the first one in the page's main colour.
    pub(crate) fn lines(&self, lines: &[Line]) -> String {
        let mut inside = String::new();
        if self.diagonal {
            let most = self.x_most.min(self.y_most);
            let _ = write!(
                inside,
                "<path class=\"diagonal\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>",
                self.x(0.0),
                self.y(0.0),
                self.x(most),
                self.y(most)
            );
        }
        for (nth, line) in lines.iter().enumerate() {
            let path: Vec<String> = line
                .points
                .iter()
                .map(|(x, y)| format!("{:.1} {:.1}", self.x(*x), self.y(*y)))
                .collect();
            if !path.is_empty() {
                let _ = write!(
                    inside,
                    "<path class=\"line l{}\" d=\"M{}\"/>",
                    nth % 3,
                    path.join("L")
                );
            }
            for (x, y) in line.points.iter().filter(|_| line.marked) {
                let _ = write!(
                    inside,
                    "<circle class=\"dot l{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{x:.3}, {y:.3}</title></circle>",
                    nth % 3,
                    self.x(*x),
                    self.y(*y)
                );
            }
        }
        let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        self.frame(&inside, &names.join(", "))
    }

    /// Two series of bars over bins of equal width, drawn over each other.
    pub(crate) fn bars(&self, bins: &[(f64, f64)], names: [&str; 2]) -> String {
        let mut inside = String::new();
        let width = self.x_most / bins.len().max(1) as f64;
        for (nth, (first, second)) in bins.iter().enumerate() {
            for (class, value) in [("b0", first), ("b1", second)] {
                let (left, top) = (self.x(width * nth as f64), self.y(*value));
                let _ = write!(
                    inside,
                    "<rect class=\"bar {class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                    (self.x(width) - self.x(0.0) - 1.0).max(0.5),
                    (self.y(0.0) - top).max(0.0)
                );
            }
        }
        self.frame(&inside, &format!("{} and {}", names[0], names[1]))
    }
}

/// Names with values as bars from left to right, each with a whisker of one deviation.
pub(crate) fn ranking(title: &str, rows: &[(String, f64, f64)]) -> String {
    let most = rows
        .iter()
        .map(|(_, value, spread)| value + spread)
        .fold(1e-12, f64::max);
    let height = 22.0 * rows.len() as f64 + 8.0;
    let (label, width) = (150.0, 560.0);
    let length = |value: f64| (value / most).clamp(0.0, 1.0) * (width - label - 70.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{}</title>",
        escape(title)
    );
    for (nth, (name, value, spread)) in rows.iter().enumerate() {
        let y = 4.0 + 22.0 * nth as f64;
        let shown: String = name.chars().take(24).collect();
        let end = label + length(*value);
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"bar b1\" x=\"{label}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"16\"/>\
             <path class=\"whisker\" d=\"M{:.1} {:.1}H{:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{value:.4}</text>",
            label - 8.0,
            y + 12.0,
            escape(&shown),
            length(*value),
            label + length(value - spread),
            y + 8.0,
            label + length(value + spread),
            label.max(end + length(*spread)) + 6.0,
            y + 12.0,
        );
    }
    svg.push_str("</svg>");
    svg
}

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_data_cannot_become_markup() {
        let svg = ranking("<b>", &[("</svg><script>".to_owned(), 1.0, 0.1)]);
        assert!(!svg.contains("<script") && !svg.contains("<b>"));
    }

    #[test]
    fn points_outside_the_axes_stay_at_the_edge_and_numbers_are_finite() {
        let plot = Plot {
            title: "t".into(),
            x_name: "x",
            y_name: "y",
            x_most: 1.0,
            y_most: 1.0,
            diagonal: true,
        };
        let line = Line {
            name: "l".into(),
            points: vec![(-3.0, 9.0), (2.0, 0.5)],
            marked: true,
        };
        let svg = plot.lines(&[line]);
        assert!(svg.contains("M48.0 12.0L368.0 126.0"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
