//! How many entity rows found something in a view, and how old it was.

use super::plan::ViewPlan;
use crate::historical::{Joined, Unit};
use crate::table::grouped;
use serde_json::{Value, json};
use trainyard_contract::{Millis, StepIo};
use trainyard_features::point_in_time::Tally;

/// What was found in one view.
pub(crate) struct FoundInView {
    pub(super) view: String,
    pub(super) ttl: Option<Millis>,
    pub(super) lag: Millis,
    pub(super) tally: Tally,
    unit: Unit,
    /// Parts of the view whose keys and times were read, of how many.
    read: (usize, usize),
}

impl FoundInView {
    pub(crate) fn new(view: &ViewPlan) -> Self {
        Self {
            view: view.ask.view.name.clone(),
            ttl: view.ask.view.ttl,
            lag: view.ask.lag,
            tally: Tally::default(),
            unit: Unit::Microseconds,
            read: (0, 0),
        }
    }

    /// Counts what part of the entity rows found.
    pub(crate) fn add(&mut self, joined: &Joined, unit: Unit) {
        self.tally.add(&joined.tally);
        self.unit = unit;
        self.read = (self.read.0.max(joined.read.0), joined.read.1);
    }

    pub(super) fn rows(&self) -> u64 {
        let Tally {
            matched,
            missing,
            too_old,
            without_key,
            ..
        } = self.tally;
        matched + missing + too_old + without_key
    }

    /// Share of rows that found something; 1 without rows.
    pub(super) fn share(&self) -> f64 {
        if self.rows() == 0 {
            return 1.0;
        }
        self.tally.matched as f64 / self.rows() as f64
    }

    /// Mean and largest age of what was found, in seconds.
    pub(super) fn ages(&self) -> Option<(f64, f64)> {
        let mean = self.tally.mean_age()?;
        Some((
            self.unit.seconds(mean),
            self.unit.seconds(self.tally.oldest as f64),
        ))
    }

    /// One line for the log.
    pub(crate) fn sentence(&self) -> String {
        let tally = &self.tally;
        let mut line = format!(
            "{}: {} of {} rows found a row of it",
            self.view,
            grouped(tally.matched),
            grouped(self.rows())
        );
        if let Some((mean, oldest)) = self.ages() {
            line.push_str(&format!(
                ", {} old on average, {} at most",
                span(mean),
                span(oldest)
            ));
        }
        let mut without = |count: u64, why: &str| {
            if count > 0 {
                line.push_str(&format!("; {} {why}", grouped(count)));
            }
        };
        without(tally.missing, "without one by then");
        let too_old = self.ttl.map(|ttl| format!("only with one older than {ttl}"));
        without(tally.too_old, &too_old.unwrap_or_default());
        without(tally.without_key, "without a key or a time");
        line
    }

    /// Numbers worth showing for the run.
    pub(super) fn measure(&self, io: &mut StepIo) {
        io.metric(&format!("{}.matched", self.view), self.share());
        if let Some((mean, _)) = self.ages() {
            io.metric(&format!("{}.mean_age_seconds", self.view), mean);
        }
    }

    pub(crate) fn document(&self) -> Value {
        let ages = self.ages();
        json!({
            "view": self.view,
            "rows": self.rows(),
            "matched": self.tally.matched,
            "missing": self.tally.missing,
            "too_old": self.tally.too_old,
            "without_key": self.tally.without_key,
            "ttl_seconds": self.ttl.map(|ttl| ttl.0 as f64 / 1000.0),
            "lag_seconds": self.lag.0 as f64 / 1000.0,
            "mean_age_seconds": ages.map(|(mean, _)| mean),
            "oldest_seconds": ages.map(|(_, oldest)| oldest),
            "parts_read": self.read.0,
            "parts": self.read.1,
        })
    }
}

/// Seconds in the unit that suits them.
pub(super) fn span(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")];
    let (size, unit) = UNITS
        .into_iter()
        .find(|(size, _)| seconds >= *size)
        .unwrap_or((0.001, "ms"));
    let number = seconds / size;
    if number >= 10.0 || (number - number.round()).abs() < 0.05 {
        format!("{number:.0} {unit}")
    } else {
        format!("{number:.1} {unit}")
    }
}
