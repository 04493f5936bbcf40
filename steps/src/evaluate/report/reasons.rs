//! What a model relies on, and why some rows are predicted as they are.

use super::{About, figure, picture};
use crate::evaluate::explained::{Dependence, Example, Shap};
use crate::evaluate::judged::Judged;
use crate::evaluate::picture::{Plot, balance, range, ranking};
use crate::evaluate::swarm;
use crate::page::escape;
use crate::table::grouped;
use std::fmt::Write;

/// Features shown of one row; the others are summed up.
const SHOWN_ADDS: usize = 8;

pub(super) fn write(page: &mut String, about: &About<'_>, judged: &Judged) {
    let explained = &judged.explained;
    if explained.permutation.is_none() && explained.shap.is_none() {
        return;
    }
    page.push_str("<h2>What the model relies on</h2><div class=\"pictures\">");
    if let Some(found) = &explained.permutation {
        let rows: Vec<(String, f64, f64)> = found
            .importance
            .iter()
            .map(|importance| (importance.feature.clone(), importance.drop, importance.deviation))
            .collect();
        picture(
            page,
            &ranking("Permutation importance", &rows),
            &format!(
                "Permutation importance: how much worse {} gets when a feature's values are shuffled among the rows. Mean of \
                 {} shuffles, whiskers one standard deviation, seed {}. n = {}.",
                found.metric.name(),
                found.repeats,
                about.seed,
                grouped(found.rows as u64)
            ),
        );
    }
    match &explained.shap {
        None => page.push_str("</div>"),
        Some(shap) => {
            of_shap(page, about, shap);
            page.push_str("</div>");
            examples(page, shap);
        }
    }
}

fn of_shap(page: &mut String, about: &About<'_>, shap: &Shap) {
    let n = format!(
        "n = {} test rows drawn with seed {}",
        grouped(shap.rows as u64),
        about.seed
    );
    let class = shap
        .of_class
        .as_ref()
        .map_or(String::new(), |class| format!(" of {}", escape(class)));
    let means: Vec<(String, f64, f64)> = shap
        .mean_absolute
        .iter()
        .take(shap.swarm.len())
        .map(|(feature, mean)| (feature.clone(), *mean, 0.0))
        .collect();
    picture(
        page,
        &ranking("Mean absolute SHAP value", &means),
        &format!(
            "Mean absolute SHAP value: how far a feature moves a prediction, in {}{}. {}. {n}.",
            shap.unit,
            if shap.of_class.is_some() {
                ", mean of the classes"
            } else {
                ""
            },
            escape(&shap.how)
        ),
    );
    picture(
        page,
        &swarm::picture("SHAP values", &shap.swarm, shap.unit),
        &format!(
            "SHAP values{class}: one point a row, right of the line they raise the prediction. Colour from a \
             <span class=\"kq0\">low</span> to a <span class=\"kq4\">high</span> value of the feature, grey for categories \
             and missing values. {} points of {n}.",
            shap.swarm.first().map_or(0, |swarm| swarm.points.len())
        ),
    );
    for (feature, dependence) in &shap.dependence {
        match dependence {
            Dependence::Numbers(points) => {
                let mut plot = Plot::unit(feature, feature, "SHAP value", false);
                plot.x_range = range(points.iter().map(|(value, _)| *value));
                plot.y_range = range(points.iter().map(|(_, shap)| *shap));
                picture(
                    page,
                    &plot.cloud(points, "SHAP value by value of the feature"),
                    &format!(
                        "What {} adds{class} by its value, in {}. {} points of {n}.",
                        escape(feature),
                        shap.unit,
                        points.len()
                    ),
                );
            }
            Dependence::Categories(means) => {
                let rows: Vec<(String, f64)> = means
                    .iter()
                    .map(|(category, mean, rows)| (format!("{category} ({rows})"), *mean))
                    .collect();
                picture(
                    page,
                    &balance(feature, &rows),
                    &format!(
                        "What {} adds{class} on average by its value, in {}, with the number of rows. {n}.",
                        escape(feature),
                        shap.unit
                    ),
                );
            }
        }
    }
}

fn examples(page: &mut String, shap: &Shap) {
    if shap.examples.is_empty() {
        return;
    }
    let _ = write!(
        page,
        "<h3>Single rows</h3><p class=\"note\">SHAP values in {}: they lead from the mean to the row's own prediction.</p>\
         <div class=\"pictures\">",
        shap.unit
    );
    for example in &shap.examples {
        one(page, example);
    }
    page.push_str("</div>");
}

fn one(page: &mut String, example: &Example) {
    let mut rows: Vec<(String, f64)> = example
        .adds
        .iter()
        .take(SHOWN_ADDS)
        .map(|(feature, value, adds)| (format!("{feature} = {value}"), *adds))
        .collect();
    let others = example.adds.get(SHOWN_ADDS..).unwrap_or_default();
    if !others.is_empty() {
        let sum = others.iter().map(|(_, _, adds)| adds).sum();
        rows.push((format!("{} other features", others.len()), sum));
    }
    let caption = format!(
        "<b>{}</b>: row {} of the test table. Label {}, prediction {}. Mean {}, features {:+.4}, together {}.",
        escape(example.why),
        grouped(example.row as u64),
        escape(&example.truth),
        escape(&example.prediction),
        figure(example.base),
        example.sum - example.base,
        figure(example.sum)
    );
    picture(page, &balance(example.why, &rows), &caption);
}
