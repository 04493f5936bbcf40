//! Bins that show a distribution as it is.

use super::quantiles::quantile;

/// How the width of bins was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinRule {
    /// One bin for each integer.
    Integers,
    /// 2 · IQR / ∛n (Freedman and Diaconis 1981), rounded to 1, 2 or 5 times a power of ten; whole for
    /// integers.
    FreedmanDiaconis,
    /// log₂ n + 1 bins (Sturges 1926), rounded alike: where the middle half of the values is one value.
    Sturges,
    /// As many as asked for.
    Fixed,
    /// All values are equal.
    Single,
}

impl BinRule {
    pub fn name(self) -> &'static str {
        match self {
            Self::Integers => "one bin an integer",
            Self::FreedmanDiaconis => "Freedman–Diaconis",
            Self::Sturges => "Sturges",
            Self::Fixed => "as many bins as asked for",
            Self::Single => "one value",
        }
    }
}

/// Counts in bins of equal width. A bin holds its lower edge; the last one holds its upper edge too.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Lower edge of the first bin. For integers half a unit below the least one of the bin, so that
    /// no bin holds more integers than another.
    pub from: f64,
    pub width: f64,
    pub counts: Vec<u64>,
    /// Values left of the first and right of the last bin: long tails are cut off at the first and
    /// 99th percentile.
    pub below: u64,
    pub above: u64,
    pub rule: BinRule,
    /// Whether all values are whole numbers.
    pub whole: bool,
}

/// From here on not every integer is a float.
const WHOLE: f64 = 9_007_199_254_740_992.0;

impl Histogram {
    /// The histogram of sorted numbers with at most `most` bins, or with exactly `fixed` (fewer if there
    /// are fewer integers); none if there are no numbers.
    pub fn of(sorted: &[f64], fixed: Option<usize>, most: usize) -> Option<Self> {
        let (least, greatest) = (*sorted.first()?, *sorted.last()?);
        let whole = sorted
            .iter()
            .all(|value| value.fract() == 0.0 && value.abs() < WHOLE);
        if least == greatest || !(greatest - least).is_finite() {
            return Some(Self {
                from: least,
                width: 0.0,
                counts: vec![sorted.len() as u64],
                below: 0,
                above: 0,
                rule: BinRule::Single,
                whole,
            });
        }
        let unit = if whole { 1.0 } else { 0.0 };
        if let Some(bins) = fixed {
            let mut width = (greatest - least + unit) / bins.max(1) as f64;
            let mut bins = bins.max(1);
            if whole {
                width = width.ceil();
                bins = ((greatest - least + 1.0) / width).ceil() as usize;
            }
            return Some(Self::counted(
                sorted,
                least - unit / 2.0,
                width,
                bins,
                BinRule::Fixed,
                whole,
            ));
        }
        let most = most.max(2);
        if whole && greatest - least < most as f64 {
            let bins = (greatest - least) as usize + 1;
            return Some(Self::counted(
                sorted,
                least - 0.5,
                1.0,
                bins,
                BinRule::Integers,
                whole,
            ));
        }
        let (rule, mut width) = chosen(sorted, greatest - least);
        let (mut low, mut high) = (least, greatest);
        if (high - low) / width > 4.0 * most as f64 {
            let (first, last) = (quantile(sorted, 0.01), quantile(sorted, 0.99));
            if last > first {
                (low, high) = (first, last);
                width = width.max((high - low) / most as f64);
            }
        }
        width = rounded(width, (high - low) / (most - 1) as f64);
        if whole {
            width = width.max(1.0);
        }
        let start = (low / width).floor() * width;
        let end = if whole { high + 1.0 } else { high };
        let bins = (((end - start) / width).ceil() as usize).clamp(1, most + 1);
        Some(Self::counted(
            sorted,
            start - unit / 2.0,
            width,
            bins,
            rule,
            whole,
        ))
    }

    fn counted(sorted: &[f64], from: f64, width: f64, bins: usize, rule: BinRule, whole: bool) -> Self {
        let end = from + width * bins as f64;
        let mut counts = vec![0u64; bins];
        let below = sorted.partition_point(|value| *value < from);
        let above =
            sorted.len() - sorted.partition_point(|value| *value <= end * (1.0 + end.signum() * 1e-12));
        for value in &sorted[below..sorted.len() - above] {
            // The quotient can come out just below the edge it stands for.
            let place = (value - from) / width;
            let nearest = place.round();
            let place = if (place - nearest).abs() < 1e-9 {
                nearest
            } else {
                place
            };
            counts[(place as usize).min(bins - 1)] += 1;
        }
        Self {
            from,
            width,
            counts,
            below: below as u64,
            above: above as u64,
            rule,
            whole,
        }
    }

    /// Upper edge of the last bin.
    pub fn to(&self) -> f64 {
        self.from + self.width * self.counts.len() as f64
    }
}

fn chosen(sorted: &[f64], range: f64) -> (BinRule, f64) {
    let n = sorted.len() as f64;
    let middle = quantile(sorted, 0.75) - quantile(sorted, 0.25);
    let width = 2.0 * middle / n.cbrt();
    if width > 0.0 && range / width >= 1.0 {
        (BinRule::FreedmanDiaconis, width)
    } else {
        (BinRule::Sturges, range / (n.log2() + 1.0).ceil())
    }
}

/// The one of 1, 2 or 5 times a power of ten that is nearest by ratio and not less than `least`.
fn rounded(width: f64, least: f64) -> f64 {
    let width = width.max(least);
    let power = 10f64.powf(width.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power);
    round
        .filter(|round| *round >= least * (1.0 - 1e-9))
        .min_by(|a, b| (a / width).ln().abs().total_cmp(&(b / width).ln().abs()))
        .unwrap_or(10.0 * power)
}

/// Bins that hold about the same number of a reference sample's values each.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantileBins {
    /// Upper edges, ascending, each in its bin; one bin more lies above the last one.
    pub edges: Vec<f64>,
}

impl QuantileBins {
    /// At most `bins` bins of sorted numbers; fewer where many values are equal.
    pub fn of(sorted: &[f64], bins: usize) -> Self {
        let mut edges: Vec<f64> = (1..bins)
            .map(|at| quantile(sorted, at as f64 / bins as f64))
            .filter(|edge| edge.is_finite())
            .collect();
        edges.dedup();
        if let (Some(last), Some(greatest)) = (edges.last(), sorted.last())
            && last >= greatest
        {
            edges.pop();
        }
        Self { edges }
    }

    /// The bin of a number.
    pub fn bin(&self, value: f64) -> usize {
        self.edges.partition_point(|edge| *edge < value)
    }

    /// Number of bins.
    pub fn len(&self) -> usize {
        self.edges.len() + 1
    }

    /// There is always a bin.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// How many of some numbers lie in each bin.
    pub fn count(&self, values: impl IntoIterator<Item = f64>) -> Vec<u64> {
        let mut counts = vec![0; self.len()];
        for value in values {
            counts[self.bin(value)] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Histogram {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Histogram::of(&sorted, None, 40).unwrap()
    }

    #[test]
    fn each_small_integer_has_a_bin_of_its_own_and_none_is_empty() {
        // 365 days as months: twelve bins, each with its days.
        let days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let months = days
            .iter()
            .enumerate()
            .flat_map(|(month, days)| std::iter::repeat_n(month as f64 + 1.0, *days));
        let histogram = of(months);
        assert_eq!(histogram.counts, days.map(|days| days as u64));
        assert_eq!(
            (histogram.from, histogram.width, histogram.rule),
            (0.5, 1.0, BinRule::Integers)
        );
    }

    #[test]
    fn wide_integers_share_bins_of_whole_width_without_gaps() {
        let histogram = of((0..2000).map(f64::from));
        assert!(histogram.whole && histogram.width.fract() == 0.0, "{histogram:?}");
        assert!(histogram.counts.len() <= 41 && histogram.counts.iter().all(|count| *count > 0));
        assert_eq!(histogram.counts.iter().sum::<u64>(), 2000);
        let inner = &histogram.counts[..histogram.counts.len() - 1];
        assert!(
            inner.iter().all(|count| *count == histogram.width as u64),
            "{histogram:?}"
        );
    }

    #[test]
    fn a_long_tail_does_not_squeeze_the_rest_into_one_bin() {
        let histogram = of((0..1000).map(|at| f64::from(at) / 1000.0).chain([1e9, 2e9]));
        assert!(histogram.counts.len() > 5, "{histogram:?}");
        assert!(histogram.above >= 2);
        assert_eq!(
            histogram.counts.iter().sum::<u64>() + histogram.below + histogram.above,
            1002
        );
    }

    #[test]
    fn as_many_bins_as_asked_for() {
        let histogram = Histogram::of(&[0.0, 0.5, 1.0, 4.0], Some(4), 40).unwrap();
        assert_eq!(
            (histogram.counts.as_slice(), histogram.to()),
            ([2, 1, 0, 1].as_slice(), 4.0)
        );
    }

    #[test]
    fn edges_are_round_numbers() {
        let histogram = of((0..5000).map(|at| f64::from(at).sqrt() / 10.0));
        assert!(
            [0.1, 0.2, 0.5, 1.0]
                .iter()
                .any(|round| (histogram.width - round).abs() < 1e-12),
            "{histogram:?}"
        );
        assert_eq!(histogram.counts.iter().sum::<u64>(), 5000);
    }

    #[test]
    fn bins_by_quantiles_leave_no_bin_above_the_greatest_value() {
        let bins = QuantileBins::of(&[1.0, 1.0, 1.0, 2.0, 3.0, 3.0], 4);
        assert_eq!(bins.edges, [1.0, 1.5, 2.75]);
        assert_eq!(bins.count([0.0, 1.0, 2.0, 3.0, 9.0]), [2, 0, 1, 2]);
        // The third quartile is the greatest value: no fourth bin.
        assert_eq!(QuantileBins::of(&[1.0, 2.0, 2.0, 2.0], 4).edges, [1.75]);
        assert_eq!(QuantileBins::of(&[], 10).len(), 1);
    }
}
