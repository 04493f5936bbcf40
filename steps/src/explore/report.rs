//! The profile as a page: what is worth a look first, then column by column, then what columns have
//! to do with each other.

use super::column::{ColumnProfile, number, percent};
use super::picture;
use super::relations::Relation;
use super::target::{Bearing, Kind as TargetKind, Target};
use super::time::span;
use super::{Profile, remarks::Warning};
use crate::page::{Cell, Page, Tone, escape, figure, mark, prose, table, tile};
use crate::table::grouped;
use indexmap::IndexMap;
use std::fmt::Write;

/// Relations in the table; the square shows all.
const RELATIONS: usize = 20;
/// Columns in the square.
const SQUARE: usize = 24;
/// Columns whose bearing on the target is drawn bin by bin.
const BEARINGS: usize = 6;
/// Bins drawn of each.
const BINS: usize = 14;
/// Changes between parts in the table.
const CHANGES: usize = 25;

/// A measure of relation in words.
pub(super) fn measure(name: &'static str) -> &'static str {
    match name {
        "pearson" => "Pearson's r",
        "cramers_v" => "Cramér's V",
        "correlation_ratio" => "correlation ratio η",
        other => other,
    }
}

fn count(number: usize) -> String {
    grouped(number as u64)
}

fn interval(limits: Option<[f64; 2]>) -> String {
    limits.map_or("–".to_owned(), |[low, high]| {
        format!("{} to {}", number(low), number(high))
    })
}

fn p_value(p: f64) -> String {
    if p < 0.0001 {
        "< 0.0001".to_owned()
    } else {
        format!("{p:.4}")
    }
}

pub(super) fn page(title: &str, profile: &Profile) -> String {
    let mut page = Page::new(title);
    lead(&mut page, profile);
    worth_a_look(&mut page, profile);
    columns(&mut page, profile);
    if let Some(target) = &profile.target {
        bearing(&mut page, target);
    }
    relations(&mut page, profile);
    missing(&mut page, profile);
    drift(&mut page, profile);
    method(&mut page, profile);
    page.finish()
}

fn lead(page: &mut Page, profile: &Profile) {
    let cells = profile.rows * profile.columns.len();
    let missing: usize = profile.columns.iter().map(|column| column.nulls).sum();
    let share = if cells == 0 {
        0.0
    } else {
        missing as f64 / cells as f64
    };
    let grave = profile.warnings.iter().filter(|warning| warning.grave).count();
    let mut marks = String::new();
    match (grave, profile.warnings.len() - grave) {
        (0, 0) => marks.push_str(&mark("nothing odd found", Tone::Pass)),
        (grave, others) => {
            if grave > 0 {
                marks.push_str(&mark(&format!("{grave} to settle before training"), Tone::Fail));
            }
            if others > 0 {
                marks.push_str(&mark(&format!("{others} worth a look"), Tone::Warn));
            }
        }
    }
    let tiles = [
        tile(&count(profile.rows), "rows"),
        tile(&count(profile.columns.len()), "columns"),
        tile(&percent(share), "of all values missing"),
        tile(
            &count(
                profile.missing.complete_rows
                    + if missing == 0 {
                        profile.rows - profile.missing.complete_rows
                    } else {
                        0
                    },
            ),
            "rows without a gap",
        ),
        tile(&count(profile.duplicates.rows), "rows that repeat another"),
    ];
    page.lead(&format!(
        "<p>{marks}</p><div class=\"tiles\">{}</div>",
        tiles.concat()
    ));
}

fn worth_a_look(page: &mut Page, profile: &Profile) {
    if profile.warnings.is_empty() {
        return;
    }
    page.heading("Worth a look");
    // What is to be said of a column stands in one place.
    let mut by_column: IndexMap<(bool, Option<&str>), Vec<&str>> = IndexMap::new();
    for warning in &profile.warnings {
        let place = (warning.grave, warning.column.as_deref());
        by_column.entry(place).or_default().push(&warning.reason);
    }
    page.points(by_column.iter().map(|((grave, column), reasons)| {
        let tone = if *grave { Tone::Fail } else { Tone::Warn };
        let said: Vec<String> = reasons.iter().map(|reason| prose(reason)).collect();
        let name = column.map_or(String::new(), |column| format!("<b>{}</b>: ", escape(column)));
        (tone, format!("{name}{}", said.join("; ")))
    }));
    for note in &profile.notes {
        page.note(note);
    }
}

fn columns(page: &mut Page, profile: &Profile) {
    page.heading("Columns");
    page.note("Open a line for its figures. Shapes: histogram of numbers and times, most frequent values of others.");
    let mut lanes = String::new();
    for column in &profile.columns {
        lane(&mut lanes, column, profile);
    }
    page.html(&lanes);
}

fn lane(lanes: &mut String, column: &ColumnProfile, profile: &Profile) {
    let rows = profile.rows;
    let middle = match (&column.numbers, &column.times, column.top.first()) {
        (Some(numbers), _, _) => format!(
            "median {}<small>{} to {}</small>",
            number(numbers.quantiles["50"]),
            number(numbers.min),
            number(numbers.max)
        ),
        (_, Some(_), _) => format!(
            "{}<small>to {}</small>",
            escape(column.min.as_deref().unwrap_or("–")),
            escape(column.max.as_deref().unwrap_or("–"))
        ),
        (_, _, Some(top)) => {
            let shown: String = top.value.chars().take(24).collect();
            format!(
                "{}<small>most frequent, {}</small>",
                escape(&shown),
                percent(top.count as f64 / column.values(rows).max(1) as f64)
            )
        }
        _ => "–".to_owned(),
    };
    let remarks: Vec<&Warning> = profile
        .warnings
        .iter()
        .filter(|warning| warning.column.as_deref() == Some(column.name.as_str()))
        .collect();
    let tone = if remarks.iter().any(|warning| warning.grave) {
        Tone::Fail
    } else {
        Tone::Warn
    };
    let marks = match remarks.len() {
        0 => String::new(),
        1 => mark("1 remark", tone),
        more => mark(&format!("{more} remarks"), tone),
    };
    let mut kind = escape(&column.data_type);
    for more in column.unit.iter().chain(&column.classification) {
        let _ = write!(kind, ", {}", escape(more));
    }
    let _ = write!(
        lanes,
        "<details class=\"lane\"><summary><div><b>{}</b><small>{kind}</small></div><div>{}</div>\
         <div>{}<small>missing</small></div><div>{}<small>different</small></div><div>{middle} {marks}</div></summary><div class=\"inside\">",
        escape(&column.name),
        picture::glance(column),
        percent(column.null_ratio),
        count(column.distinct),
    );
    for warning in &remarks {
        let class = if warning.grave { "fail" } else { "warn" };
        let _ = write!(lanes, "<p class=\"{class}\">{}</p>", prose(&warning.reason));
    }
    facts(lanes, column, rows);
    lanes.push_str("<div class=\"pictures\">");
    let values = column.values(rows);
    if let Some(histogram) = &column.histogram {
        let mut caption = format!(
            "Histogram of {} values, bins: {}",
            count(histogram.counts.iter().sum::<u64>() as usize),
            histogram.method
        );
        if histogram.below + histogram.above > 0 {
            let _ = write!(
                caption,
                "; {} lie left and {} right of the picture",
                grouped(histogram.below),
                grouped(histogram.above)
            );
        }
        caption.push('.');
        lanes.push_str(&figure(
            &picture::histogram(&column.name, histogram, column.clock),
            &caption,
        ));
    }
    let by_integer = column
        .histogram
        .as_ref()
        .is_some_and(|found| found.whole && found.width <= 1.0);
    let most = column.top.first().map_or(0.0, |top| top.count as f64);
    if most > 0.0 && !by_integer && (column.histogram.is_none() || most > 0.05 * values as f64) {
        let caption = format!(
            "Most frequent of {} different values, n = {}.",
            count(column.distinct),
            count(values)
        );
        lanes.push_str(&figure(
            &picture::frequencies(&column.name, &column.top, values),
            &caption,
        ));
    }
    lanes.push_str("</div></div></details>\n");
}

fn facts(lanes: &mut String, column: &ColumnProfile, rows: usize) {
    let mut facts: Vec<(&str, String)> = vec![
        ("values", count(column.values(rows))),
        (
            "missing",
            format!("{} ({})", count(column.nulls), percent(column.null_ratio)),
        ),
        ("different", count(column.distinct)),
        ("that occur once", count(column.once)),
    ];
    if let Some(numbers) = &column.numbers {
        let optional = |value: Option<f64>| value.map_or("–".to_owned(), number);
        facts.extend([
            ("mean", number(numbers.mean)),
            ("95 % interval of the mean", interval(numbers.mean_interval)),
            ("standard deviation", number(numbers.stddev)),
            ("skewness", optional(numbers.skewness)),
            ("excess kurtosis", optional(numbers.kurtosis)),
            ("least", number(numbers.min)),
            ("5 % quantile", number(numbers.quantiles["05"])),
            ("25 % quantile", number(numbers.quantiles["25"])),
            ("median", number(numbers.quantiles["50"])),
            ("75 % quantile", number(numbers.quantiles["75"])),
            ("95 % quantile", number(numbers.quantiles["95"])),
            ("greatest", number(numbers.max)),
            ("zeros", count(numbers.zeros)),
            ("negative", count(numbers.negative)),
            ("outside Tukey's fences", count(numbers.outliers)),
            (
                "robust z beyond 3.5",
                numbers.robust_outliers.map_or("no scale".to_owned(), count),
            ),
        ]);
        if numbers.nan + numbers.infinite > 0 {
            facts.push((
                "NaN, infinite",
                format!("{}, {}", count(numbers.nan), count(numbers.infinite)),
            ));
        }
    }
    if let Some(times) = &column.times {
        facts.extend([
            ("first", column.min.clone().unwrap_or_default()),
            ("last", column.max.clone().unwrap_or_default()),
            ("from first to last", span(times.span_seconds)),
        ]);
        if let Some(step) = times.usual_step_seconds {
            facts.push(("usual step (median)", span(step)));
            facts.push(("gaps", count(times.gaps)));
        }
        for gap in &times.longest_gaps {
            facts.push((
                "gap",
                format!("{} to {}, {}", gap.from, gap.to, span(gap.seconds)),
            ));
        }
    }
    if let Some(texts) = &column.texts {
        facts.extend([
            (
                "letters",
                format!(
                    "{} to {}, mean {}",
                    count(texts.shortest),
                    count(texts.longest),
                    number(texts.mean_length)
                ),
            ),
            ("blank", grouped(texts.blank)),
            ("space at an end", grouped(texts.padded)),
        ]);
        if let Some(kind) = texts.kind {
            facts.push(("seem to be", kind.name().to_owned()));
        }
        let shapes: Vec<String> = texts
            .shapes
            .iter()
            .map(|shape| {
                format!(
                    "{} {}",
                    shape.value,
                    percent(shape.count as f64 / texts.looked_at.max(1) as f64)
                )
            })
            .collect();
        if !shapes.is_empty() {
            facts.push(("shapes (A capitals, a letters, 9 digits)", shapes.join(" · ")));
        }
    }
    lanes.push_str("<div class=\"facts\">");
    for (what, value) in facts {
        let _ = write!(
            lanes,
            "<div><span>{}</span>{}</div>",
            escape(what),
            escape(&value)
        );
    }
    lanes.push_str("</div>");
}

fn bearing(page: &mut Page, target: &Target) {
    page.heading(&format!("What bears on {}", target.column));
    let n = count(target.rows);
    let what = match (target.kind, &target.positive) {
        (TargetKind::TwoClasses, Some(positive)) => format!("the share of {} = {positive}", target.column),
        _ => format!("the mean of {}", target.column),
    };
    if !target.classes.is_empty() {
        let classes: Vec<String> = target
            .classes
            .iter()
            .map(|class| format!("{} {} ({})", class.name, percent(class.share), count(class.rows)))
            .collect();
        page.text(&format!("Classes: {}. n = {n}.", classes.join(" · ")));
    }
    let caption = match target.kind {
        TargetKind::TwoClasses => format!(
            "Area under the ROC curve if rows were ranked by one column alone: by its tenths or its 50 most frequent values, in these rows (0.5: knows nothing). n = {n}."
        ),
        TargetKind::Number => format!(
            "Share of the variance of {} between tenths or the 50 most frequent values of one column (R²), in these rows. n = {n}.",
            target.column
        ),
        TargetKind::Classes => {
            format!("Cramér's V (bias-corrected) or correlation ratio η of each column. n = {n}.")
        }
    };
    page.html(&format!(
        "<div class=\"pictures\">{}</div>",
        figure(&picture::bearings(target), &caption)
    ));
    let as_share = target.kind == TargetKind::TwoClasses;
    let mut pictures = String::from("<div class=\"pictures\">");
    for bearing in target
        .columns
        .iter()
        .filter(|bearing| !bearing.bins.is_empty())
        .take(BEARINGS)
    {
        let shown = &bearing.bins[..bearing.bins.len().min(BINS)];
        let more = if bearing.bins.len() > BINS {
            format!(", {BINS} of {} groups", bearing.bins.len())
        } else {
            String::new()
        };
        let method = if as_share { "Wilson's" } else { "normal" };
        let caption = format!(
            "{}: {what} by its values{more}, whiskers {method} 95 % intervals. n = {n}.",
            bearing.column
        );
        pictures.push_str(&figure(
            &picture::by_bin(&bearing.column, shown, as_share),
            &caption,
        ));
    }
    pictures.push_str("</div>");
    page.html(&pictures);
    let row = |bearing: &Bearing| -> Vec<Cell> {
        let relation = &bearing.relation;
        vec![
            bearing.column.clone().into(),
            Cell::Number(
                bearing
                    .alone
                    .map_or("–".to_owned(), |alone| format!("{alone:.3}")),
            ),
            Cell::Number(
                bearing
                    .information_value
                    .map_or("–".to_owned(), |value| format!("{value:.3}")),
            ),
            measure(relation.measure).into(),
            Cell::Number(format!("{:.3}", relation.strength)),
            Cell::Number(interval(relation.interval)),
            Cell::Number(relation.p_value.map_or("–".to_owned(), p_value)),
            Cell::Number(count(relation.rows)),
        ]
    };
    let rows: Vec<Vec<Cell>> = target.columns.iter().map(row).collect();
    let alone = if as_share { "AUC alone" } else { "R² alone" };
    let head = [
        "column",
        alone,
        "information value",
        "measure",
        "strength",
        "95 % interval",
        "p (χ²)",
        "n",
    ];
    page.html(&format!(
        "<details><summary>All columns in figures</summary>{}</details>",
        table(&head, &rows)
    ));
    if as_share {
        page.note("Intervals of the AUC: 95 %, by Hanley and McNeil. Information value (Siddiqi): under 0.02 nothing, from 0.1 on something, from 0.3 on much, over 0.5 too much to be believed unseen.");
    }
}

fn relations(page: &mut Page, profile: &Profile) {
    if profile.relations.is_empty() {
        return;
    }
    page.heading("Columns with each other");
    let mut names: Vec<&str> = Vec::new();
    for column in &profile.columns {
        let name = column.name.as_str();
        if profile
            .relations
            .iter()
            .any(|pair| pair.left == name || pair.right == name)
        {
            names.push(name);
        }
    }
    let all = names.len();
    names.truncate(SQUARE);
    let which = if all > SQUARE {
        format!("the first {SQUARE} of {all} columns")
    } else {
        format!("{all} columns")
    };
    let caption = format!(
        "Strength of the relation of each pair of {which}, from pale (none) to full (1): the stronger of Pearson's and Spearman's correlation \
         for numbers (negative ones in the second colour), Cramér's V with bias correction for categories, the correlation ratio η for a number and a category. \
         n = {} rows at most, pairs with both values.",
        count(profile.sampled_rows)
    );
    page.html(&figure(&picture::square(&names, &profile.relations), &caption));
    let row = |pair: &Relation| -> Vec<Cell> {
        let spearman = pair.spearman.as_ref();
        vec![
            format!("{} · {}", pair.left, pair.right).into(),
            measure(pair.measure).into(),
            Cell::Number(format!("{:.3}", pair.strength)),
            Cell::Number(interval(pair.interval)),
            Cell::Number(spearman.map_or("–".to_owned(), |found| format!("{:.3}", found.value))),
            Cell::Number(count(pair.rows)),
        ]
    };
    page.html("<h3>Strongest</h3>");
    let rows: Vec<Vec<Cell>> = profile.relations.iter().take(RELATIONS).map(row).collect();
    page.table(
        &[
            "columns",
            "measure",
            "strength",
            "95 % interval",
            "Spearman's ρ",
            "n",
        ],
        &rows,
    );
    page.note("Intervals of correlations by Fisher's z. A correlation ratio or V counts how much one column tells of the other and has no sign.");
}

fn missing(page: &mut Page, profile: &Profile) {
    if profile.missing.patterns.is_empty() {
        return;
    }
    page.heading("What is missing together");
    let n = profile.rows;
    let rows: Vec<Vec<Cell>> = profile
        .missing
        .patterns
        .iter()
        .map(|pattern| {
            vec![
                pattern.columns.join(", ").into(),
                Cell::Number(count(pattern.rows)),
                Cell::Number(percent(pattern.rows as f64 / n as f64)),
            ]
        })
        .collect();
    page.table(
        &["missing in the same row, and nothing else", "rows", "share"],
        &rows,
    );
    page.note(&format!(
        "{} of {} sets of columns that are missing together; {} of {} rows have no gap.",
        rows.len(),
        count(profile.missing.different_patterns),
        count(profile.missing.complete_rows),
        count(n)
    ));
    if !profile.missing.together.is_empty() {
        let rows: Vec<Vec<Cell>> = profile
            .missing
            .together
            .iter()
            .map(|pair| {
                vec![
                    format!("{} · {}", pair.left, pair.right).into(),
                    Cell::Number(count(pair.rows)),
                    Cell::Number(format!("{:.3}", pair.correlation)),
                ]
            })
            .collect();
        page.table(&["columns", "rows where both are missing", "φ"], &rows);
        page.note(&format!(
            "φ is the correlation of “is missing” of both columns; pairs from 0.5 on. n = {}.",
            count(n)
        ));
    }
}

fn drift(page: &mut Page, profile: &Profile) {
    let Some(drift) = &profile.drift else { return };
    page.heading("Parts beside each other");
    let parts: Vec<String> = drift
        .parts
        .iter()
        .map(|part| format!("{} (n = {})", part.name, count(part.rows)))
        .collect();
    page.text(&format!(
        "{} beside {} (n = {}), by {}.",
        parts.join(", "),
        drift.reference.name,
        count(drift.reference.rows),
        drift.by
    ));
    let rows: Vec<Vec<Cell>> = drift
        .columns
        .iter()
        .take(CHANGES)
        .map(|change| {
            let tone = match change.psi {
                psi if psi >= 0.25 => Tone::Fail,
                psi if psi >= 0.1 => Tone::Warn,
                _ => Tone::Pass,
            };
            let word = match tone {
                Tone::Fail => "large",
                Tone::Warn => "some",
                _ => "little",
            };
            let (test, statistic, p) = match (&change.kolmogorov_smirnov, &change.chi_squared) {
                (Some(test), _) => ("KS", number(test.statistic), p_value(test.p_value)),
                (_, Some(test)) => ("χ²", number(test.statistic), p_value(test.p_value)),
                _ => ("–", "–".to_owned(), "–".to_owned()),
            };
            let means = change.means.map_or("–".to_owned(), |[was, is]| {
                format!("{} → {}", number(was), number(is))
            });
            vec![
                Cell::Markup(mark(word, tone)),
                if drift.parts.len() > 1 {
                    format!("{} in {}", change.column, change.part).into()
                } else {
                    change.column.clone().into()
                },
                Cell::Number(format!("{:.3}", change.psi)),
                Cell::Number(means),
                Cell::Number(change.wasserstein.map_or("–".to_owned(), number)),
                test.into(),
                Cell::Number(statistic),
                Cell::Number(p),
                Cell::Number(format!("{}, {}", count(change.rows[0]), count(change.rows[1]))),
            ]
        })
        .collect();
    page.table(
        &[
            "change",
            "column",
            "PSI",
            "mean",
            "Wasserstein",
            "test",
            "statistic",
            "p",
            "n",
        ],
        &rows,
    );
    page.note(
        "PSI: population stability index over tenths of the reference or over categories, missing as one more; from 0.1 some, from 0.25 large change. \
         Wasserstein's distance is in the column's unit. p of no difference by Kolmogorov and Smirnov's limit or the chi-squared test; with many rows the smallest change is significant, so judge by PSI.",
    );
}

fn method(page: &mut Page, profile: &Profile) {
    page.heading("How this was measured");
    if profile.warnings.is_empty() {
        for note in &profile.notes {
            page.note(note);
        }
    }
    page.note(&format!(
        "Counts, quantiles (interpolated linearly, type 7), moments and histograms: all {} rows. Different values, repeated rows and keys: counted exactly, told apart by a 64-bit hash. \
         Relations, parts and forms of texts: {} rows. Intervals: 95 %, as if rows were drawn independently of each other. Guesses about persons go by the form of values and the names of columns and can be wrong both ways.",
        count(profile.rows),
        count(profile.sampled_rows)
    ));
    if !profile.duplicates.keys.is_empty() {
        page.note(&format!(
            "Columns that identify a row: {}.",
            profile.duplicates.keys.join(", ")
        ));
    }
}
