//! What a training was like, as a page.

use super::curve::Curve;
use crate::evaluate::picture::{Line, Plot, range};
use crate::page::{Cell, Page, figure, tile};
use crate::table::grouped;
use serde_json::{Map, Value};
use trainyard_models::{Model, Predictor};

/// What the page tells.
pub(super) struct About<'a> {
    pub(super) title: String,
    pub(super) model: &'a Model,
    /// Training rows, and rows to watch.
    pub(super) rows: [Option<usize>; 2],
    /// The metric of the curve.
    pub(super) watched: &'a str,
    pub(super) curve: &'a Curve,
    pub(super) numbers: &'a Map<String, Value>,
}

pub(super) fn page(about: &About<'_>) -> String {
    let mut page = Page::new(&about.title);
    let rows = |at: usize| about.rows[at].map_or("none".to_owned(), |rows| grouped(rows as u64));
    let tiles = [
        tile(about.model.algorithm().name(), "algorithm"),
        tile(&rows(0), "training rows"),
        tile(&rows(1), "rows of `valid`"),
        tile(&grouped(about.model.features().len() as u64), "features"),
    ];
    page.lead(&format!("<div class=\"tiles\">{}</div>", tiles.concat()));
    if let Some(picture) = picture(about) {
        page.heading("How the training went");
        page.html(&picture);
    }
    page.heading("Metrics");
    let lines: Vec<Vec<Cell>> = about
        .numbers
        .iter()
        .filter_map(|(name, value)| {
            let value = value.as_f64()?;
            Some(vec![name.clone().into(), Cell::Number(format!("{value:.6}"))])
        })
        .collect();
    page.table(&["metric", "value"], &lines);
    page.note("Metrics with `train_` before them are of the very rows the model was fitted on: they tell how much it has learnt by heart, not how good it is.");
    page.finish()
}

/// Training and validation side by side: where they part, the model begins to learn by heart.
fn picture(about: &About<'_>) -> Option<String> {
    let sides = about.curve.sides();
    let all = || sides.iter().flat_map(|(_, points)| points.iter().copied());
    let last = all().map(|(step, _)| step).max().filter(|last| *last > 1)?;
    let plot = Plot {
        title: format!("{} by {}", about.watched, about.curve.unit()),
        x_name: about.curve.unit().to_owned(),
        y_name: about.watched.to_owned(),
        x_range: (1.0, last as f64),
        y_range: range(all().map(|(_, value)| value)),
        diagonal: false,
    };
    let lines: Vec<Line> = sides
        .iter()
        .map(|(rows, points)| Line {
            name: (*rows).to_owned(),
            points: points
                .iter()
                .map(|(step, value)| (*step as f64, *value))
                .collect(),
            marked: false,
        })
        .collect();
    let kept = about.numbers.get("rounds").and_then(Value::as_u64);
    let rows: Vec<String> = sides
        .iter()
        .zip(["first", "second"])
        .map(|((rows, _), nth)| format!("{rows} ({nth} colour)"))
        .collect();
    let caption = format!(
        "{} on {}, lower is better; {} of {} {} are kept in the model",
        about.watched,
        rows.join(" and "),
        kept.map_or("?".to_owned(), grouped),
        grouped(last as u64),
        about.curve.unit()
    );
    Some(figure(&plot.lines(&lines), &caption))
}
