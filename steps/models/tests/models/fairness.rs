//! Parity as fairlearn computes it, to 1e-9.

use crate::golden::{Case, cases};
use trainyard_models::fairness::{Decisions, Groups, MetricFrame, OddsAggregate, Reference, Sensitive};
use trainyard_models::metrics::{ClassMetric, Undefined, Weights};

#[test]
fn rates_and_parities_of_groups() {
    for case in cases("fairness", "decisions") {
        let truth =
            |key: &str| -> Vec<bool> { case.numbers(key).iter().map(|value| *value == 1.0).collect() };
        let (labels, decided, each) = (truth("labels"), truth("decided"), case.weights());
        let columns: Vec<Vec<u32>> = serde_json::from_value(case.0["features"].clone()).unwrap();
        let values: Vec<String> = (0..3).map(|value| format!("{value}")).collect();
        let sensitive: Vec<Sensitive<'_>> = columns
            .iter()
            .map(|codes| Sensitive {
                name: "feature",
                codes,
                values: &values,
            })
            .collect();
        let groups = Groups::new(&sensitive).unwrap();
        let weights = each
            .as_ref()
            .map_or(Weights::Equal, |weights| Weights::Each(weights));
        let decisions = Decisions::new(&groups, &decided, &labels, weights)
            .unwrap()
            .with_undefined(Undefined::Zero);
        for (name, metric) in [
            ("selection_rate", ClassMetric::SelectionRate),
            ("tpr", ClassMetric::Recall),
            ("fpr", ClassMetric::FalsePositiveRate),
            ("tnr", ClassMetric::Specificity),
            ("fnr", ClassMetric::FalseNegativeRate),
            ("accuracy", ClassMetric::Accuracy),
            ("precision", ClassMetric::Precision),
        ] {
            same_frame(&case, name, &decisions.frame(metric));
        }
        for (reference, method) in [
            (Reference::BetweenGroups, "between_groups"),
            (Reference::Overall, "to_overall"),
        ] {
            let mut seen = true;
            for (notion, found) in [
                ("demographic_parity", decisions.demographic_parity(reference)),
                ("equal_opportunity", decisions.equal_opportunity(reference)),
            ] {
                seen &= case.expect(&format!("{notion}_difference_{method}"), found.difference);
                seen &= case.expect(&format!("{notion}_ratio_{method}"), found.ratio);
            }
            for (aggregate, name) in [
                (OddsAggregate::WorstCase, "worst_case"),
                (OddsAggregate::Mean, "mean"),
            ] {
                let found = decisions.equalised_odds(reference, aggregate);
                seen &= case.expect(
                    &format!("equalized_odds_difference_{method}_{name}"),
                    found.difference,
                );
                seen &= case.expect(&format!("equalized_odds_ratio_{method}_{name}"), found.ratio);
            }
            assert!(seen, "{}", case.name());
        }
    }
}

fn same_frame(case: &Case, name: &str, frame: &MetricFrame) {
    let expected =
        Case(serde_json::json!({"name": format!("{}: {name}", case.name()), "found": case.found(name)}));
    let by_group: Vec<f64> = frame
        .groups
        .iter()
        .map(|group| group.value.unwrap_or(f64::NAN))
        .collect();
    let mut seen = expected.expect("overall", frame.overall) && expected.expect("by_group", by_group);
    for (reference, method) in [
        (Reference::BetweenGroups, "between_groups"),
        (Reference::Overall, "to_overall"),
    ] {
        seen &= expected.expect(&format!("difference_{method}"), frame.difference(reference));
        seen &= expected.expect(&format!("ratio_{method}"), frame.ratio(reference));
    }
    assert!(seen, "{}: {name}", case.name());
    for group in &frame.groups {
        if let (Some(value), Some(interval)) = (group.value, group.interval) {
            let inside = interval.low - 1e-12 <= value && value <= interval.high + 1e-12;
            assert!(inside, "{}: {name}", case.name());
        }
    }
}
