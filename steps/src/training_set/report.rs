//! What was found, as a page.

use super::found::{FoundInView, span};
use crate::page::{Cell, Page, tile};
use crate::table::grouped;
use serde_json::json;
use trainyard_contract::{StepError, StepIo};

/// Writes the report of a training set of `rows` rows.
pub(super) fn write(io: &mut StepIo, rows: u64, found: &[FoundInView]) -> Result<(), StepError> {
    let mut page = Page::new("Training set");
    let worst = found.iter().map(FoundInView::share).fold(1.0, f64::min);
    page.lead(&format!(
        "{}{}{}",
        tile(&grouped(rows), "entity rows"),
        tile(&found.len().to_string(), "feature views"),
        tile(&share(worst), "found in the view with the least"),
    ));
    page.heading("What was found");
    page.text(
        "A row is found if it was there at the entity row's time minus the lag and, where the view has a ttl, is \
         not older than that. Rows without one have missing values; none is left out.",
    );
    let lines: Vec<Vec<Cell>> = found.iter().map(line).collect();
    page.table(
        &[
            "view",
            "found",
            "not there yet",
            "older than the ttl",
            "without key or time",
            "lag",
            "mean age",
            "oldest",
        ],
        &lines,
    );
    let twin = json!({
        "rows": rows,
        "views": found.iter().map(FoundInView::document).collect::<Vec<_>>(),
    });
    io.output_report("report", &page.finish(), &twin)
}

fn line(found: &FoundInView) -> Vec<Cell> {
    let ages = found.ages();
    let old = |seconds: Option<f64>| seconds.map_or_else(|| "–".to_owned(), span);
    let too_old = match found.ttl {
        Some(ttl) => format!("{} ({ttl})", grouped(found.tally.too_old)),
        None => "–".to_owned(),
    };
    vec![
        found.view.clone().into(),
        format!("{} ({})", grouped(found.tally.matched), share(found.share())).into(),
        grouped(found.tally.missing).into(),
        too_old.into(),
        grouped(found.tally.without_key).into(),
        found.lag.to_string().into(),
        old(ages.map(|(mean, _)| mean)).into(),
        old(ages.map(|(_, oldest)| oldest)).into(),
    ]
}

fn share(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
