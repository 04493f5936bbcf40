//! Values of metrics.

use std::cmp::Ordering;

/// A measured number: finite, or not a number. Infinities become the largest finite numbers, because
/// clients and databases agree on those.
#[derive(Clone, Copy, Debug)]
pub struct MetricValue(f64);

impl MetricValue {
    /// The value as it is kept.
    pub fn new(value: f64) -> Self {
        Self(if value.is_nan() {
            f64::NAN
        } else {
            value.clamp(f64::MIN, f64::MAX)
        })
    }

    /// As JSON writes it in a text: `NaN`, `Infinity`, `-Infinity` or a number.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "NaN" => Some(Self::new(f64::NAN)),
            "Infinity" => Some(Self::new(f64::INFINITY)),
            "-Infinity" => Some(Self::new(f64::NEG_INFINITY)),
            other => other
                .parse::<f64>()
                .ok()
                .filter(|_| other.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)))
                .map(Self::new),
        }
    }

    pub fn is_nan(self) -> bool {
        self.0.is_nan()
    }

    /// The number, NaN if it is none.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The number for a column that cannot hold NaN: 0 in its place.
    pub fn stored(self) -> f64 {
        if self.0.is_nan() { 0.0 } else { self.0 }
    }
}

impl PartialEq for MetricValue {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for MetricValue {}
impl PartialOrd for MetricValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
/// NaN counts as 0 here, as it does where the latest of several points is chosen.
impl Ord for MetricValue {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.stored() + 0.0)
            .total_cmp(&(other.stored() + 0.0))
            .then(self.is_nan().cmp(&other.is_nan()))
    }
}

/// What decides which of several points of a metric is its latest: step, then time, then value.
pub fn is_later(one: (i64, i64, MetricValue), other: (i64, i64, MetricValue)) -> bool {
    one > other
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_numbers_are_read_as_clients_write_them() {
        assert!(MetricValue::parse("NaN").unwrap().is_nan());
        assert_eq!(MetricValue::parse("Infinity").unwrap().get(), f64::MAX);
        assert_eq!(MetricValue::parse("-Infinity").unwrap().get(), f64::MIN);
        assert_eq!(MetricValue::parse("1e3").unwrap().get(), 1000.0);
        for odd in ["", "abc", "inf", "nan", "0x1", "1 2"] {
            assert_eq!(MetricValue::parse(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn the_latest_of_any_points_does_not_depend_on_their_order(
            points in proptest::collection::vec((0_i64..3, 0_i64..3, prop_oneof![Just(f64::NAN), -2.0..2.0_f64]), 1..8),
            turn in 0_usize..8,
        ) {
            let latest = |points: &[(i64, i64, f64)]| {
                points
                    .iter()
                    .map(|(step, at, value)| (*step, *at, MetricValue::new(*value)))
                    .reduce(|one, other| if is_later(other, one) { other } else { one })
            };
            let mut turned = points.clone();
            turned.rotate_left(turn % points.len());
            prop_assert_eq!(latest(&points), latest(&turned));
        }
    }
}
