//! Gates: what a model must reach to go on.

use super::answering::Verdict;
use super::metric::{Metric, Speed};
use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::Millis;

/// One demand on a model.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gate<M> {
    /// What is measured.
    pub(crate) metric: M,
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
    /// What is held against the limits: the `value` itself, or the end of its 95 % interval that makes
    /// the demand stricter or laxer, `lower_bound` or `upper_bound`. Default: `value`.
    #[serde(default, rename = "use")]
    pub(crate) basis: Basis,
    /// What a value or champion that does not exist does: `fail` or `pass`. Default: `fail` for a value; with `compare_to:
    /// champion` before there is a champion `pass`: the gate is not applied, which report and headline say.
    #[serde(default)]
    pub(crate) when_missing: Option<WhenMissing>,
    /// Measure the difference to another model on the same rows instead, this model's value minus
    /// the other's: the `champion`, or the best of the `baselines`.
    #[serde(default)]
    pub(crate) compare_to: Option<CompareTo>,
    /// Measure within each value of this column instead; all must pass.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    pub(crate) slice: Option<String>,
    /// Measure how far the groups of this sensitive column are apart instead, by `difference_at_most`
    /// and `ratio_at_least`. Demographic parity is the `selection_rate`, equal opportunity the
    /// `recall`; equalised odds are both `recall` and `false_positive_rate`.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    pub(crate) fairness: Option<String>,
    /// With `fairness`: greatest allowed difference of two groups.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub(crate) difference_at_most: Option<f64>,
    /// With `fairness`: least allowed ratio of two groups, the smaller value by the greater.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub(crate) ratio_at_least: Option<f64>,
    /// With `slice`: values with fewer rows are left out. Default: 1.
    #[serde(default)]
    pub(crate) min_rows: Option<u64>,
    /// With `slice`: greatest allowed difference between the best and the worst value.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub(crate) spread_at_most: Option<f64>,
}

/// What is held against a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Basis {
    #[default]
    Value,
    /// The lower end of the 95 % interval.
    LowerBound,
    /// The upper end of the 95 % interval.
    UpperBound,
}

/// What a missing value does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhenMissing {
    Fail,
    Pass,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
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

impl<M: Into<Metric>> Gate<M> {
    /// The gate with its metric among those of either step.
    pub(crate) fn known(self) -> Gate<Metric> {
        Gate {
            metric: self.metric.into(),
            must_be_at_least: self.must_be_at_least,
            must_be_at_most: self.must_be_at_most,
            must_be_greater_than: self.must_be_greater_than,
            must_be_less_than: self.must_be_less_than,
            must_be_between: self.must_be_between,
            basis: self.basis,
            when_missing: self.when_missing,
            compare_to: self.compare_to,
            slice: self.slice,
            fairness: self.fairness,
            difference_at_most: self.difference_at_most,
            ratio_at_least: self.ratio_at_least,
            min_rows: self.min_rows,
            spread_at_most: self.spread_at_most,
        }
    }
}

/// A fault of a gate and the key it stands at, if one.
pub(crate) type Fault = (Option<&'static str>, String);

impl Gate<Metric> {
    fn limits(&self) -> Vec<(&'static str, &'static str, &Limit)> {
        let mut limits = Vec::new();
        let single = [
            ("must_be_at_least", "at least", &self.must_be_at_least),
            ("must_be_at_most", "at most", &self.must_be_at_most),
            ("must_be_greater_than", "greater than", &self.must_be_greater_than),
            ("must_be_less_than", "less than", &self.must_be_less_than),
        ];
        for (key, rule, limit) in single {
            limits.extend(limit.as_ref().map(|limit| (key, rule, limit)));
        }
        if let Some([low, high]) = &self.must_be_between {
            limits.push(("must_be_between", "at least", low));
            limits.push(("must_be_between", "at most", high));
        }
        limits
    }

    /// What is wrong with the gate as written, if anything.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let of_groups = self.difference_at_most.is_some() || self.ratio_at_least.is_some();
        if self.limits().is_empty() && self.spread_at_most.is_none() && !of_groups {
            let wanted = match self.fairness {
                Some(_) => "`difference_at_most` or `ratio_at_least`",
                None => "`must_be_at_least`, `must_be_at_most` or `spread_at_most`",
            };
            return Some((None, format!("it demands nothing: give it {wanted}")));
        }
        for (key, _, limit) in self.limits() {
            match limit.number() {
                None => {
                    let why = format!(
                        "`{}` is neither a number nor a duration such as `20ms`",
                        limit.shown()
                    );
                    return Some((Some(key), why));
                }
                Some(number) if !number.is_finite() => {
                    return Some((Some(key), "a limit must be a finite number".into()));
                }
                Some(_) => {}
            }
            let is_time = matches!(self.metric.speed(), Some(Speed::P50 | Speed::P95 | Speed::P99));
            if matches!(limit, Limit::Duration(_)) && !is_time {
                let why = format!("`{}` is no time: give it a number", self.metric.name());
                return Some((Some(key), why));
            }
        }
        if let Some([low, high]) = &self.must_be_between
            && low.number() > high.number()
        {
            let why = format!("nothing is between {} and {}", low.shown(), high.shown());
            return Some((Some("must_be_between"), why));
        }
        if self.slice.is_none() && self.spread_at_most.is_some() {
            return Some((Some("spread_at_most"), "`spread_at_most` needs a `slice`".into()));
        }
        if self.slice.is_none() && self.min_rows.is_some() {
            return Some((Some("min_rows"), "`min_rows` needs a `slice`".into()));
        }
        if self.fairness.is_none() && of_groups {
            let why = "`difference_at_most` and `ratio_at_least` need `fairness` with a column";
            return Some((None, why.into()));
        }
        if self.fairness.is_some() && !self.limits().is_empty() {
            let why =
                "`fairness` asks how far groups are apart: give it `difference_at_most` or `ratio_at_least`";
            return Some((Some("fairness"), why.into()));
        }
        let ways = [
            self.slice.is_some(),
            self.compare_to.is_some(),
            self.fairness.is_some(),
        ];
        let ways = ways.into_iter().filter(|way| *way).count();
        if self.metric.speed().is_some() && (ways > 0 || self.basis != Basis::Value) {
            let why =
                "speed is measured for the model alone, without `slice`, `fairness`, `compare_to` or `use`";
            return Some((None, why.into()));
        }
        if ways > 1 {
            let why = "only one of `slice`, `fairness` and `compare_to` can stand in a gate";
            return Some((None, why.into()));
        }
        // The difference of two groups or models has an interval even where the metric has none.
        if self.basis != Basis::Value && !self.metric.has_interval() && self.fairness.is_none() {
            let why = format!("`{}` has no interval", self.metric.name());
            return Some((Some("use"), why));
        }
        if self.basis != Basis::Value && self.spread_at_most.is_some() {
            return Some((Some("use"), "a spread has no interval".into()));
        }
        None
    }

    /// The gate in words.
    pub(crate) fn demand(&self) -> String {
        let mut words = match self.basis {
            Basis::Value => String::new(),
            Basis::LowerBound => "lower bound of ".to_owned(),
            Basis::UpperBound => "upper bound of ".to_owned(),
        };
        words.push_str(self.metric.name());
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
        if let Some(column) = &self.fairness {
            words.push_str(&format!(" by {column}"));
        }
        let mut demands: Vec<String> = self
            .limits()
            .iter()
            .map(|(_, rule, limit)| format!("{rule} {}", limit.shown()))
            .collect();
        demands.extend(self.spread_at_most.map(|most| format!("apart by at most {most}")));
        demands.extend(
            self.difference_at_most
                .map(|most| format!("different by at most {most}")),
        );
        demands.extend(
            self.ratio_at_least
                .map(|least| format!("in a ratio of at least {least}")),
        );
        format!("{words} {}", demands.join(" and "))
    }

    /// Whether a number keeps within the limits.
    pub(crate) fn holds(&self, value: f64) -> bool {
        self.limits().iter().all(|(_, rule, limit)| {
            limit.number().is_some_and(|limit| match *rule {
                "at least" => value >= limit,
                "at most" => value <= limit,
                "greater than" => value > limit,
                _ => value < limit,
            })
        })
    }

    /// The verdict where nothing can be measured.
    pub(crate) fn missing(&self, why: &str) -> Verdict {
        let passed = self.when_missing == Some(WhenMissing::Pass);
        let found = if passed {
            format!("passed without a value: {why}")
        } else {
            why.to_owned()
        };
        self.verdict(passed, found)
    }

    /// The verdict before there is a champion to compare with.
    pub(crate) fn without_champion(&self) -> Verdict {
        if self.when_missing == Some(WhenMissing::Fail) {
            let found = "no champion yet, and the gate demands one (`when_missing: fail`)";
            return self.verdict(false, found.to_owned());
        }
        Verdict {
            applied: false,
            ..self.verdict(true, "no champion yet: gate not applied".to_owned())
        }
    }

    pub(crate) fn verdict(&self, passed: bool, found: String) -> Verdict {
        Verdict {
            demand: self.demand(),
            passed,
            applied: true,
            found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::evaluate::names::ClassifierMetric;
    use serde_json::{Value, json};

    fn gate(value: Value) -> Gate<Metric> {
        serde_json::from_value::<Gate<ClassifierMetric>>(value)
            .unwrap()
            .known()
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
        assert_eq!(
            words(
                json!({"metric": "recall", "fairness": "sex", "use": "upper_bound", "difference_at_most": 0.1})
            ),
            "upper bound of recall by sex different by at most 0.1"
        );
    }

    #[test]
    fn gates_that_demand_nothing_or_nonsense_are_faults() {
        for value in [
            json!({"metric": "roc_auc"}),
            json!({"metric": "roc_auc", "must_be_at_least": "high"}),
            json!({"metric": "roc_auc", "spread_at_most": 0.1}),
            json!({"metric": "latency_p99", "must_be_at_most": "20ms", "slice": "carrier"}),
            json!({"metric": "roc_auc", "must_be_at_least": "20ms"}),
            json!({"metric": "roc_auc", "must_be_between": [0.9, 0.1]}),
            json!({"metric": "recall", "fairness": "sex"}),
            json!({"metric": "recall", "fairness": "sex", "must_be_at_least": 0.5}),
            json!({"metric": "recall", "difference_at_most": 0.1}),
            json!({"metric": "ece", "must_be_at_most": 0.1, "use": "upper_bound"}),
            json!({"metric": "recall", "fairness": "sex", "slice": "sex", "difference_at_most": 0.1}),
        ] {
            assert!(gate(value.clone()).fault().is_some(), "{value}");
        }
        assert!(
            serde_json::from_value::<Gate<ClassifierMetric>>(json!({"metric": "auc", "must_be_at_least": 1}))
                .is_err()
        );
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
