//! `explore.profile@v1`: what is in a table, column by column, as JSON and as a page with pictures.

mod association;
mod column;
mod picture;

use crate::fault;
use crate::inference::{self, with};
use crate::page::{Page, escape};
use crate::table::{self, grouped};
use association::{Association, Encoded};
use column::ColumnProfile;
use polars::prelude::DataFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::{ArtifactKind, InferRequest, Inference, Schema, Step, StepError, StepIo};

/// Parameters of `explore.profile@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Columns to profile. Default: all.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    columns: Vec<String>,
    /// A column to which the others are related. Default: none.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    target: Option<String>,
    /// Bars of a histogram. Default: 20.
    #[serde(default = "twenty")]
    #[schemars(range(min = 2, max = 200))]
    bins: usize,
    /// Most frequent values shown. Default: 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100))]
    top: usize,
    /// Whether to relate columns to each other. Default: true.
    #[serde(default = "yes")]
    correlations: bool,
}

fn twenty() -> usize {
    20
}

fn ten() -> usize {
    10
}

fn yes() -> bool {
    true
}

/// Share of missing values from which a column is remarked on.
const MANY_MISSING: f64 = 0.5;
/// Share of different values from which a column looks like an identifier.
const NEARLY_UNIQUE: f64 = 0.95;
/// Strength from which two columns say nearly the same.
const NEARLY_SAME: f64 = 0.95;

/// The whole profile.
#[derive(Serialize)]
struct Profile {
    rows: usize,
    columns: Vec<ColumnProfile>,
    associations: Vec<Association>,
    /// Strength of each column's relation to the target, strongest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    target: Vec<Association>,
    warnings: Vec<Warning>,
    notes: Vec<String>,
}

/// Something about a column that is worth a look.
#[derive(Debug, Serialize, PartialEq)]
struct Warning {
    column: String,
    kind: &'static str,
    reason: String,
}

pub(crate) struct ExploreProfile;

impl Step for ExploreProfile {
    fn uses(&self) -> &'static str {
        "explore.profile@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Profiles a table: types, missing values, distributions, relations and what looks odd.",
            inputs: Ports::Named(vec![InputPort::required(
                "data",
                ArtifactKind::Table,
                "the rows to profile",
            )]),
            outputs: Ports::Named(vec![InputPort::required(
                "profile",
                ArtifactKind::Report,
                "page and JSON",
            )]),
            params: schemars::schema_for!(Params).to_value(),
            revision: 1,
            effect: Effect::None,
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        let params: Params = match inference::parameters(request) {
            Ok(params) => params,
            Err(answer) => return answer,
        };
        let mut answer = inference::unknown_tables(request);
        let Some(schema) = inference::table(request, "data") else {
            return inference::sifted(request, answer);
        };
        let mut look = |name: &str, path| {
            if schema.column(name).is_none() {
                answer
                    .findings
                    .push(fault::no_column(name, path, schema.names()).at_word(name));
            }
        };
        for (at, name) in params.columns.iter().enumerate() {
            look(name, with("columns").index(at));
        }
        if let Some(target) = &params.target {
            look(target, with("target"));
        }
        // Looking at a column does not make it needed, so `uses` names only what was asked for.
        let asked = params.columns.iter().chain(&params.target).cloned();
        answer.uses.insert("data".to_owned(), asked.collect());
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let (table, faults) = table::open_as_is(io, "data")?;
        let mut frame = table::collect("read the rows", table.frame)?;
        io.rows_in(frame.height() as u64);
        let mut notes = table.notes;
        if !faults.is_empty() {
            let first: Vec<String> = faults.iter().take(3).map(ToString::to_string).collect();
            notes.push(format!(
                "{} values do not keep the contract, e.g. {}",
                grouped(faults.len() as u64),
                first.join("; ")
            ));
        }
        for note in &notes {
            io.log(note.clone());
        }
        if !params.columns.is_empty() {
            let wanted = params.columns.iter().chain(&params.target);
            let names: indexmap::IndexSet<&str> = wanted.map(String::as_str).collect();
            frame = frame
                .select(names)
                .map_err(|error| StepError::rejected(fault::sentence(&error)))?;
        }
        let profile = profiled(io, &params, &frame, &table.schema, notes)?;
        let json = serde_json::to_value(&profile)
            .map_err(|error| StepError::internal(format!("could not write the profile: {error}")))?;
        io.headline(format!(
            "{}, {} remarks",
            table::headline(&frame),
            profile.warnings.len()
        ));
        io.output_report("profile", &page(&profile, params.target.as_deref()), &json)
    }
}

fn profiled(
    io: &mut StepIo,
    params: &Params,
    frame: &DataFrame,
    schema: &Schema,
    mut notes: Vec<String>,
) -> Result<Profile, StepError> {
    let mut columns = Vec::with_capacity(frame.width());
    for (at, column) in frame.columns().iter().enumerate() {
        io.progress(at as u64, frame.width() as u64, "columns");
        let series = column.as_materialized_series();
        columns.push(ColumnProfile::of(
            series,
            schema.column(column.name()),
            params.bins,
            params.top,
        )?);
    }
    let mut associations = Vec::new();
    let mut target = Vec::new();
    if let Some(name) = &params.target
        && schema.column(name).is_none()
    {
        return Err(StepError::rejected(format!("there is no column `{name}` here")));
    }
    if params.correlations || params.target.is_some() {
        let encoded = association::encode(frame, &mut notes)?;
        if params.correlations {
            associations = association::pairs(&encoded);
        }
        if let Some(name) = &params.target {
            target = related(&encoded, name);
            if encoded.iter().all(|column| column.name != *name) {
                notes.push(format!(
                    "`{name}` has too many different values to relate others to"
                ));
            }
        }
    }
    let mut warnings: Vec<Warning> = columns
        .iter()
        .flat_map(|column| remarks(column, frame.height()))
        .collect();
    for pair in associations
        .iter()
        .filter(|pair| pair.strength.abs() >= NEARLY_SAME)
    {
        warnings.push(Warning {
            column: pair.left.clone(),
            kind: "nearly_same",
            reason: format!(
                "says nearly the same as `{}` ({} {:.3})",
                pair.right, pair.measure, pair.strength
            ),
        });
    }
    Ok(Profile {
        rows: frame.height(),
        columns,
        associations,
        target,
        warnings,
        notes,
    })
}

fn related(encoded: &[Encoded], target: &str) -> Vec<Association> {
    let Some(target) = encoded.iter().find(|column| column.name == target) else {
        return Vec::new();
    };
    let others = encoded.iter().filter(|column| column.name != target.name);
    let mut related: Vec<Association> = others
        .filter_map(|column| association::between(column, target))
        .collect();
    related.sort_by(|a, b| {
        b.strength
            .abs()
            .total_cmp(&a.strength.abs())
            .then_with(|| a.left.cmp(&b.left))
    });
    related
}

/// What looks odd about a column, with the reason.
fn remarks(column: &ColumnProfile, rows: usize) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind, reason: String| {
        warnings.push(Warning {
            column: column.name.clone(),
            kind,
            reason,
        });
    };
    if rows == 0 {
        return warnings;
    }
    let values = rows - column.nulls;
    if values == 0 {
        warn("empty", "has no values at all".to_owned());
        return warnings;
    }
    if column.null_ratio > MANY_MISSING {
        warn(
            "mostly_missing",
            format!("{:.1} % of its values are missing", column.null_ratio * 100.0),
        );
    }
    if column.distinct == 1 {
        warn(
            "constant",
            "has the same value in every row, so nothing can be learned from it".to_owned(),
        );
    }
    let share = column.distinct as f64 / values as f64;
    let names_rows = matches!(column.data_type.as_str(), "string") || column.data_type.contains("int");
    if values >= 100 && share >= NEARLY_UNIQUE && names_rows {
        let reason = format!(
            "{:.1} % of its values are different: it looks like an identifier",
            share * 100.0
        );
        warn("nearly_unique", reason);
    } else if column.data_type == "string" && column.distinct > 1000 {
        warn(
            "many_categories",
            format!("has {} different texts", grouped(column.distinct)),
        );
    }
    if let Some(numbers) = &column.numbers {
        let outliers = numbers.outliers as f64 / values as f64;
        if outliers > 0.05 && numbers.outliers > 0 {
            let reason = format!(
                "{:.1} % of its values lie far outside the middle half",
                outliers * 100.0
            );
            warn("outliers", reason);
        }
        if numbers.not_finite > 0 {
            warn(
                "not_finite",
                format!("{} values are not finite numbers", grouped(numbers.not_finite)),
            );
        }
    }
    warnings
}

fn page(profile: &Profile, target: Option<&str>) -> String {
    let mut page = Page::new("Profile");
    page.text(&format!(
        "{} rows, {} columns",
        grouped(profile.rows as u64),
        profile.columns.len()
    ));
    for note in &profile.notes {
        page.text(note);
    }
    if !profile.warnings.is_empty() {
        page.heading("Worth a look");
        let rows: Vec<Vec<String>> = profile
            .warnings
            .iter()
            .map(|w| vec![w.column.clone(), w.reason.clone()])
            .collect();
        page.table(&["column", "why"], &rows, |_| "warn");
    }
    page.heading("Columns");
    let mut cards = String::from("<div class=\"cards\">\n");
    for column in &profile.columns {
        let _ = write!(
            cards,
            "<section class=\"card\"><h3>{}</h3><p>{}</p>{}",
            escape(&column.name),
            escape(&column.sentence(profile.rows)),
            picture::of(column)
        );
        for warning in profile
            .warnings
            .iter()
            .filter(|warning| warning.column == column.name)
        {
            let _ = write!(cards, "<p class=\"warn\">{}</p>", escape(&warning.reason));
        }
        cards.push_str("</section>\n");
    }
    cards.push_str("</div>\n");
    page.html(&cards);
    if let Some(target) = target.filter(|_| !profile.target.is_empty()) {
        page.heading(&format!("Relation to {target}"));
        page.html(&picture::strengths(&profile.target));
    }
    let mut strongest: Vec<&Association> = profile.associations.iter().collect();
    strongest.sort_by(|a, b| {
        b.strength
            .abs()
            .total_cmp(&a.strength.abs())
            .then_with(|| (&a.left, &a.right).cmp(&(&b.left, &b.right)))
    });
    if !strongest.is_empty() {
        page.heading("Strongest relations");
        let rows: Vec<Vec<String>> = strongest
            .iter()
            .take(20)
            .map(|a| {
                vec![
                    a.left.clone(),
                    a.right.clone(),
                    a.measure.to_owned(),
                    format!("{:.3}", a.strength),
                ]
            })
            .collect();
        page.table(&["column", "column", "measure", "strength"], &rows, |_| "");
    }
    page.finish()
}

#[cfg(test)]
#[path = "explore_tests.rs"]
mod tests;
