//! Gates: what a model must reach to go on.

use super::judged::{Judged, Slice};
use crate::train::scores::Metric;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trainyard_contract::Millis;

/// One demand on a model.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gate {
    /// What is measured.
    pub(crate) metric: Measure,
    /// Least allowed value: a number, or a duration such as `20ms` for latencies.
    #[serde(default)]
    pub(crate) must_be_at_least: Option<Limit>,
    /// Greatest allowed value.
    #[serde(default)]
    pub(crate) must_be_at_most: Option<Limit>,
    /// Value that must be exceeded.
    #[serde(default)]
    pub(crate) must_be_greater_than: Option<Limit>,
    /// Value that must not be reached.
    #[serde(default)]
    pub(crate) must_be_less_than: Option<Limit>,
    /// Least and greatest allowed value.
    #[serde(default)]
    pub(crate) must_be_between: Option<[Limit; 2]>,
    /// Measure the difference to another model on the same rows instead, this model's value minus
    /// the other's: the `champion`, or the best of the `baselines`.
    #[serde(default)]
    pub(crate) compare_to: Option<CompareTo>,
    /// Measure within each value of this column instead; all must pass.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    pub(crate) slice: Option<String>,
    /// With `slice`: values with fewer rows are left out. Default: 1.
    #[serde(default)]
    pub(crate) min_rows: Option<u64>,
    /// With `slice`: greatest allowed difference between the best and the worst value.
    #[serde(default)]
    pub(crate) spread_at_most: Option<f64>,
}

/// What a gate can measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Measure {
    Metric(Metric),
    Latency(LatencyQuantile),
}

/// Time of predicting one row in this process, without network or parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LatencyQuantile {
    LatencyP50,
    LatencyP99,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CompareTo {
    Champion,
    Baselines,
}

/// A number, or a duration in milliseconds.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Limit {
    Number(f64),
    Duration(#[schemars(extend("x-kind" = "duration"))] String),
}

impl Limit {
    /// The number, milliseconds for durations.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Duration(text) => text.parse::<Millis>().ok().map(|millis| millis.0 as f64),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Duration(text) => text.clone(),
        }
    }
}

impl Measure {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Metric(metric) => metric.name(),
            Self::Latency(LatencyQuantile::LatencyP50) => "latency_p50",
            Self::Latency(LatencyQuantile::LatencyP99) => "latency_p99",
        }
    }
}

/// Times of predicting one row, milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatencyMillis {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// How a gate was answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// The gate in words.
    pub(crate) demand: String,
    pub(crate) passed: bool,
    /// What was found, in words. Times are not among it: they differ from run to run.
    pub(crate) found: String,
}

impl Verdict {
    pub(crate) fn json(&self) -> Value {
        json!({"gate": self.demand, "passed": self.passed, "found": self.found})
    }
}

impl Gate {
    fn limits(&self) -> Vec<(&'static str, &Limit)> {
        let mut limits = Vec::new();
        let single = [
            ("at least", &self.must_be_at_least),
            ("at most", &self.must_be_at_most),
            ("greater than", &self.must_be_greater_than),
            ("less than", &self.must_be_less_than),
        ];
        for (rule, limit) in single {
            limits.extend(limit.as_ref().map(|limit| (rule, limit)));
        }
        if let Some([low, high]) = &self.must_be_between {
            limits.push(("at least", low));
            limits.push(("at most", high));
        }
        limits
    }

    /// What is wrong with the gate as written, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        if self.limits().is_empty() && self.spread_at_most.is_none() {
            return Some(
                "it demands nothing: give it `must_be_at_least`, `must_be_at_most` or `spread_at_most`"
                    .into(),
            );
        }
        if let Some((_, limit)) = self.limits().iter().find(|(_, limit)| limit.number().is_none()) {
            return Some(format!(
                "`{}` is neither a number nor a duration such as `20ms`",
                limit.shown()
            ));
        }
        if self.slice.is_none() && (self.spread_at_most.is_some() || self.min_rows.is_some()) {
            return Some("`spread_at_most` and `min_rows` need a `slice`".into());
        }
        if matches!(self.measure(), Measure::Latency(_))
            && (self.slice.is_some() || self.compare_to.is_some())
        {
            return Some("a latency is measured for the model alone, without `slice` or `compare_to`".into());
        }
        if self.slice.is_some() && self.compare_to.is_some() {
            return Some("`slice` and `compare_to` cannot stand together".into());
        }
        None
    }

    fn measure(&self) -> Measure {
        self.metric
    }

    /// The gate in words.
    pub(crate) fn demand(&self) -> String {
        let mut words = self.measure().name().to_owned();
        match self.compare_to {
            Some(CompareTo::Champion) => words.push_str(" minus the champion's"),
            Some(CompareTo::Baselines) => words.push_str(" minus the best baseline's"),
            None => {}
        }
        if let Some(slice) = &self.slice {
            words.push_str(&format!(" for each {slice}"));
            if let Some(rows) = self.min_rows {
                words.push_str(&format!(" of at least {rows} rows"));
            }
        }
        let mut demands: Vec<String> = self
            .limits()
            .iter()
            .map(|(rule, limit)| format!("{rule} {}", limit.shown()))
            .collect();
        demands.extend(self.spread_at_most.map(|most| format!("apart by at most {most}")));
        format!("{words} {}", demands.join(" and "))
    }

    /// Whether the gate needs a latency to be measured.
    pub(crate) fn needs_latency(&self) -> bool {
        matches!(self.metric, Measure::Latency(_))
    }

    fn holds(&self, value: f64) -> bool {
        self.limits().iter().all(|(rule, limit)| {
            limit.number().is_some_and(|limit| match *rule {
                "at least" => value >= limit,
                "at most" => value <= limit,
                "greater than" => value > limit,
                _ => value < limit,
            })
        })
    }

    /// Answers the gate. What cannot be measured does not pass, but for a champion that does not
    /// exist yet.
    pub(crate) fn answer(&self, judged: &Judged, latency: Option<LatencyMillis>) -> Verdict {
        let (passed, found) = match self.metric {
            Measure::Latency(quantile) => self.answer_latency(quantile, latency),
            Measure::Metric(metric) => match (&self.slice, self.compare_to) {
                (Some(slice), _) => self.answer_slices(metric, judged.slices.get(slice)),
                (None, None) => match judged.value(metric) {
                    Some(value) => (self.holds(value), format!("{value:.4}")),
                    None => (false, "these rows do not define it".to_owned()),
                },
                (None, Some(CompareTo::Champion)) => self.answer_champion(metric, judged),
                (None, Some(CompareTo::Baselines)) => self.answer_baselines(metric, judged),
            },
        };
        Verdict {
            demand: self.demand(),
            passed,
            found,
        }
    }

    fn answer_latency(&self, quantile: LatencyQuantile, latency: Option<LatencyMillis>) -> (bool, String) {
        let Some(latency) = latency else {
            return (false, "it was not measured".to_owned());
        };
        let value = match quantile {
            LatencyQuantile::LatencyP50 => latency.p50,
            LatencyQuantile::LatencyP99 => latency.p99,
        };
        (
            self.holds(value),
            "measured in this run: see the log of the step".to_owned(),
        )
    }

    fn answer_champion(&self, metric: Metric, judged: &Judged) -> (bool, String) {
        match &judged.champion {
            None => (true, "there is no champion yet".to_owned()),
            Some(other) => match (judged.value(metric), other.value(metric)) {
                (Some(own), Some(others)) => {
                    let difference = own - others;
                    (
                        self.holds(difference),
                        format!("{difference:+.4} ({own:.4} against {others:.4})"),
                    )
                }
                _ => {
                    let why = other
                        .failure
                        .clone()
                        .unwrap_or_else(|| "these rows do not define it".to_owned());
                    (false, format!("the champion cannot be measured: {why}"))
                }
            },
        }
    }

    fn answer_baselines(&self, metric: Metric, judged: &Judged) -> (bool, String) {
        let sign = if metric.higher_is_better() { 1.0 } else { -1.0 };
        let best = judged
            .baselines
            .iter()
            .filter_map(|other| Some((other, other.value(metric)?)))
            .max_by(|left, right| (sign * left.1).total_cmp(&(sign * right.1)));
        match (judged.value(metric), best) {
            (Some(own), Some((other, others))) => {
                let difference = own - others;
                (
                    self.holds(difference),
                    format!("{difference:+.4} against {} ({others:.4})", other.name),
                )
            }
            _ => (false, "no baseline can be measured".to_owned()),
        }
    }

    fn answer_slices(&self, metric: Metric, slices: Option<&Vec<Slice>>) -> (bool, String) {
        let least = self.min_rows.unwrap_or(1);
        let measured: Vec<(&str, f64)> = slices
            .into_iter()
            .flatten()
            .filter(|slice| slice.rows as u64 >= least)
            .filter_map(|slice| Some((slice.value.as_str(), slice.of(metric)?)))
            .collect();
        let lowest = measured.iter().min_by(|left, right| left.1.total_cmp(&right.1));
        let highest = measured.iter().max_by(|left, right| left.1.total_cmp(&right.1));
        let (Some(lowest), Some(highest)) = (lowest, highest) else {
            return (false, "no slice has enough rows of both classes".to_owned());
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
        (passed, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(value: Value) -> Gate {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_gate_reads_as_it_is_written() {
        let words = |value: Value| gate(value).demand();
        assert_eq!(
            words(json!({"metric": "roc_auc", "must_be_at_least": 0.65})),
            "roc_auc at least 0.65"
        );
        assert_eq!(
            words(json!({"metric": "roc_auc", "compare_to": "champion", "must_be_at_least": -0.005})),
            "roc_auc minus the champion's at least -0.005"
        );
        assert_eq!(
            words(json!({"metric": "roc_auc", "slice": "carrier", "min_rows": 500, "spread_at_most": 0.1})),
            "roc_auc for each carrier of at least 500 rows apart by at most 0.1"
        );
        assert_eq!(
            words(json!({"metric": "latency_p99", "must_be_at_most": "20ms"})),
            "latency_p99 at most 20ms"
        );
    }

    #[test]
    fn gates_that_demand_nothing_or_nonsense_are_faults() {
        for value in [
            json!({"metric": "roc_auc"}),
            json!({"metric": "roc_auc", "must_be_at_least": "high"}),
            json!({"metric": "roc_auc", "spread_at_most": 0.1}),
            json!({"metric": "latency_p99", "must_be_at_most": "20ms", "slice": "carrier"}),
        ] {
            assert!(gate(value.clone()).fault().is_some(), "{value}");
        }
        assert!(serde_json::from_value::<Gate>(json!({"metric": "auc", "must_be_at_least": 1})).is_err());
    }

    #[test]
    fn limits_are_kept_to_the_letter() {
        let between = gate(json!({"metric": "brier", "must_be_between": [0.1, 0.2]}));
        assert!(
            between.holds(0.1) && between.holds(0.2) && !between.holds(0.2001) && !between.holds(f64::NAN)
        );
        let strict = gate(json!({"metric": "brier", "must_be_less_than": 0.2}));
        assert!(strict.holds(0.1999) && !strict.holds(0.2));
        let slow = gate(json!({"metric": "latency_p99", "must_be_at_most": "20ms"}));
        assert!(slow.holds(20.0) && !slow.holds(20.1));
    }
}
