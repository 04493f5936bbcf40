//! Values of numpy, SciPy and pandas, made by `tests/models/golden/statistics.py`.

use super::*;
use serde_json::Value;

fn reference() -> Value {
    serde_json::from_str(include_str!("../../tests/models/golden/statistics.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect()
}

fn sorted(value: &Value) -> Vec<f64> {
    let mut values = numbers(value);
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn close(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    let error = (found - expected).abs() / expected.abs().max(1e-290);
    assert!(
        error <= 1e-9 || (found - expected).abs() <= 1e-12,
        "{what}: {found} for {expected}"
    );
}

#[test]
fn moments_and_quantiles_are_those_of_pandas_and_numpy() {
    let reference = reference();
    for (name, values) in reference["samples"].as_object().unwrap() {
        let values = sorted(values);
        let found = moments(&values).unwrap();
        let expected = &reference["moments"][name];
        close(found.mean, &expected[0], name);
        close(found.deviation.unwrap(), &expected[1], name);
        // Numbers without a unit: what is left of 10⁶ after taking the mean away limits both sides.
        for (found, expected) in [(found.skewness, &expected[2]), (found.kurtosis, &expected[3])] {
            assert!(
                (found.unwrap() - expected.as_f64().unwrap()).abs() < 1e-9,
                "{name}: {found:?}"
            );
        }
        for (at, share) in [0.01, 0.25, 0.5, 0.9, 0.99].into_iter().enumerate() {
            close(quantile(&values, share), &reference["quantiles"][name][at], name);
        }
        close(
            median_absolute_deviation(&values).unwrap(),
            &reference["mad"][name],
            name,
        );
    }
}

#[test]
fn few_or_equal_values_have_the_moments_they_can_have() {
    assert_eq!(moments(&[]), None);
    let one = moments(&[3.0]).unwrap();
    assert_eq!((one.deviation, one.skewness, one.kurtosis), (None, None, None));
    let equal = moments(&[0.1; 7]).unwrap();
    assert_eq!((equal.skewness, equal.kurtosis), (Some(0.0), Some(0.0)));
}

#[test]
fn correlations_and_their_interval_are_scipys() {
    let pairs = &reference()["pairs"];
    let (x, y) = (numbers(&pairs["x"]), numbers(&pairs["y"]));
    let found = pearson(&x, &y).unwrap();
    close(found.value, &pairs["pearson"], "pearson");
    let interval = found.interval.unwrap();
    close(interval.low, &pairs["low"], "low");
    close(interval.high, &pairs["high"], "high");
    close(spearman(&x, &y).unwrap().value, &pairs["spearman"], "spearman");
}

#[test]
fn the_test_of_independence_is_scipys_and_v_is_bergsmas() {
    let table = &reference()["table"];
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for (row, counts) in table["counts"].as_array().unwrap().iter().enumerate() {
        for (column, count) in numbers(counts).into_iter().enumerate() {
            for _ in 0..count as usize {
                left.push(Some(row as u32));
                right.push(Some(column as u32));
            }
        }
    }
    let found = Contingency::of(&left, 3, &right, 3).test().unwrap();
    close(found.statistic, &table["statistic"], "statistic");
    close(found.p_value, &table["p"], "p");
    close(found.cramers_v, &table["corrected_v"], "V");
    assert_eq!(found.freedom, 4.0);
}

#[test]
fn distances_between_samples_are_scipys() {
    let reference = reference();
    let a = sorted(&reference["samples"]["skewed"]);
    let b = sorted(&reference["samples"]["shifted"]);
    let expected = &reference["distance"];
    let ks = kolmogorov_smirnov(&a, &b).unwrap();
    close(ks.statistic, &expected["ks"], "D");
    close(ks.p_value, &expected["ks_p"], "p");
    close(
        wasserstein(&a, &b).unwrap(),
        &expected["wasserstein"],
        "Wasserstein",
    );
    let bins = QuantileBins::of(&a, 10);
    let counts = [bins.count(a.iter().copied()), bins.count(b.iter().copied())];
    close(
        population_stability(&counts[0], &counts[1]).unwrap(),
        &expected["psi"],
        "PSI",
    );
}

#[test]
fn tails_are_scipys_far_out_too() {
    let reference = reference();
    for case in reference["chi2_tails"].as_array().unwrap() {
        let found = chi_squared_tail(case[0].as_f64().unwrap(), case[1].as_f64().unwrap());
        close(found, &case[2], "chi squared");
    }
    for case in reference["kolmogorov_tails"].as_array().unwrap() {
        close(kolmogorov_tail(case[0].as_f64().unwrap()), &case[1], "Kolmogorov");
    }
}
