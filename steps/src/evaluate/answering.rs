//! Gates held against what was found.

use super::compared::Other;
use super::gates::{Basis, CompareTo, Gate};
use super::groups::Part;
use super::judged::Judged;
use super::metric::{Better, Metric, Speed};
use super::timing::Timing;
use serde_json::{Value, json};
use trainyard_models::metrics::Interval;

/// How a gate was answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// The gate in words.
    pub(crate) demand: String,
    pub(crate) passed: bool,
    /// False if there is no champion yet to compare with, so that nothing was held against the limits.
    pub(crate) applied: bool,
    /// What was found, in words. Times are not among it: they differ from run to run.
    pub(crate) found: String,
}

impl Verdict {
    pub(crate) fn json(&self) -> Value {
        json!({"gate": self.demand, "passed": self.passed, "applied": self.applied, "found": self.found})
    }
}

const UNDEFINED: &str = "these rows do not define it";

impl Basis {
    fn of(self, value: f64, interval: Option<Interval>) -> Option<f64> {
        match self {
            Self::Value => Some(value),
            Self::LowerBound => interval.map(|interval| interval.low),
            Self::UpperBound => interval.map(|interval| interval.high),
        }
    }
}

fn shown(value: f64, interval: Option<Interval>) -> String {
    match interval {
        Some(interval) => format!("{value:.4} ({:.4} to {:.4})", interval.low, interval.high),
        None => format!("{value:.4}"),
    }
}

impl Gate<Metric> {
    /// Answers the gate. What cannot be measured does not pass unless that is asked; without a champion yet a comparison
    /// with it is not applied, unless a champion is demanded.
    pub(crate) fn answer(&self, judged: &Judged, timing: Option<&Timing>) -> Verdict {
        if let Some(speed) = self.metric.speed() {
            return self.answer_speed(speed, timing);
        }
        match (&self.slice, &self.fairness, self.compare_to) {
            (Some(slice), ..) => self.answer_slices(judged.slices.get(slice)),
            (_, Some(column), _) => self.answer_fairness(column, judged),
            (.., Some(CompareTo::Champion)) => self.answer_champion(judged),
            (.., Some(CompareTo::Baselines)) => self.answer_baselines(judged),
            (None, None, None) => match judged.measured(self.metric) {
                None => self.missing(UNDEFINED),
                Some(measured) => {
                    let interval = measured.interval.as_ref().map(|(interval, _)| *interval);
                    match self.basis.of(measured.value, interval) {
                        None => self.missing("these rows give it no interval"),
                        Some(bound) => self.verdict(self.holds(bound), shown(measured.value, interval)),
                    }
                }
            },
        }
    }

    fn answer_speed(&self, speed: Speed, timing: Option<&Timing>) -> Verdict {
        match timing {
            None => self.missing("it was not measured"),
            Some(timing) => self.verdict(
                self.holds(timing.of(speed)),
                "measured in this run: see the log of the step".to_owned(),
            ),
        }
    }

    fn answer_champion(&self, judged: &Judged) -> Verdict {
        match &judged.champion {
            None => self.without_champion(),
            Some(champion) => self.answer_comparison(champion, judged, "the champion"),
        }
    }

    fn answer_baselines(&self, judged: &Judged) -> Verdict {
        let sign = match self.metric.better() {
            Better::Lower => -1.0,
            Better::Higher | Better::Neither => 1.0,
        };
        let best = judged
            .baselines
            .iter()
            .filter_map(|other| Some((other, sign * other.value(self.metric)?)))
            .max_by(|left, right| left.1.total_cmp(&right.1));
        match best {
            None => self.missing("no baseline can be measured"),
            Some((best, _)) => self.answer_comparison(best, judged, &best.name),
        }
    }

    fn answer_comparison(&self, other: &Other, judged: &Judged, name: &str) -> Verdict {
        let own = judged.measured(self.metric);
        let (Some(own), Some(others)) = (own, other.value(self.metric)) else {
            let why = other.failure.as_deref().unwrap_or(UNDEFINED);
            return self.missing(&format!("{name} cannot be measured: {why}"));
        };
        let difference = own.value - others;
        let compared = other.compared(self.metric);
        let interval = compared.and_then(|compared| compared.interval);
        let Some(bound) = self.basis.of(difference, interval) else {
            return self.missing("these rows give the difference no interval");
        };
        let mut found = format!("{difference:+.4} ({:.4} against {others:.4} of {name}", own.value);
        if let Some(interval) = interval {
            found.push_str(&format!(
                "; interval {:+.4} to {:+.4}",
                interval.low, interval.high
            ));
        }
        found.push(')');
        self.verdict(self.holds(bound), found)
    }

    fn answer_slices(&self, parts: Option<&Vec<Part>>) -> Verdict {
        let least = self.min_rows.unwrap_or(1);
        let measured: Vec<(&str, f64)> = parts
            .into_iter()
            .flatten()
            .filter(|part| part.rows as u64 >= least)
            .filter_map(|part| {
                let found = part.of(self.metric)?;
                let interval = found.interval.as_ref().map(|(interval, _)| *interval);
                Some((part.value.as_str(), self.basis.of(found.value, interval)?))
            })
            .collect();
        let lowest = measured.iter().min_by(|left, right| left.1.total_cmp(&right.1));
        let highest = measured.iter().max_by(|left, right| left.1.total_cmp(&right.1));
        let (Some(lowest), Some(highest)) = (lowest, highest) else {
            return self.missing("no slice has enough rows to define it");
        };
        let spread = highest.1 - lowest.1;
        let passed = measured.iter().all(|(_, value)| self.holds(*value))
            && self.spread_at_most.is_none_or(|most| spread <= most);
        let found = format!(
            "{:.4} ({}) to {:.4} ({}), apart by {spread:.4}, {} slices",
            lowest.1,
            lowest.0,
            highest.1,
            highest.0,
            measured.len()
        );
        self.verdict(passed, found)
    }

    fn answer_fairness(&self, column: &str, judged: &Judged) -> Verdict {
        let found = judged
            .fairness
            .iter()
            .find(|fairness| fairness.by == column)
            .and_then(|fairness| fairness.of(self.metric));
        let Some(disparity) = found else {
            return self.missing("no group defines it");
        };
        let mut words = Vec::new();
        let mut passed = true;
        let demands = [
            ("difference", self.difference_at_most, disparity.difference, -1.0),
            ("ratio", self.ratio_at_least, disparity.ratio, 1.0),
        ];
        for (name, limit, ranged, sign) in demands {
            let Some(limit) = limit else { continue };
            let Some((ranged, bound)) =
                ranged.and_then(|ranged| Some((ranged, self.basis.of(ranged.value, ranged.interval)?)))
            else {
                return self.missing(&format!("the groups define no {name}"));
            };
            // A difference must be at most its limit, a ratio at least.
            passed &= sign * bound >= sign * limit;
            words.push(format!("{name} {}", shown(ranged.value, ranged.interval)));
        }
        if let Some([least, greatest]) = &disparity.between {
            words.push(format!("from {least} to {greatest}"));
        }
        self.verdict(passed, words.join(", "))
    }
}
