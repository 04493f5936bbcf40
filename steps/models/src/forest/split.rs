//! The best question to ask of the rows of a node.

use super::Criterion;
use crate::bins::{Binned, Cuts};
use crate::boosting::split::BinSet;
use crate::random::Random;

/// One training row of a tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) row: u32,
    /// Its weight, times how often it was drawn.
    pub(super) weight: f32,
    /// Its label: distance from the mean of all, or place of the class.
    pub(super) value: f64,
}

/// What a tree lowers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Impurity {
    /// Squared distance from the mean; of a label 0 or 1 that is half the Gini impurity.
    Squared,
    /// Of this many classes.
    Classes(usize, Criterion),
}

impl Impurity {
    /// Sums kept for a group of rows: weight and weighted label, or weight by class.
    pub(super) fn sums(self) -> usize {
        match self {
            Self::Squared => 2,
            Self::Classes(classes, _) => classes,
        }
    }

    #[inline]
    pub(super) fn add(self, sample: &Sample, sums: &mut [f64]) {
        let weight = f64::from(sample.weight);
        match self {
            Self::Squared => {
                sums[0] += weight;
                sums[1] += weight * sample.value;
            }
            Self::Classes(..) => sums[sample.value as usize] += weight,
        }
    }

    pub(super) fn weight(self, sums: &[f64]) -> f64 {
        match self {
            Self::Squared => sums[0],
            Self::Classes(..) => sums.iter().sum(),
        }
    }

    /// What makes a group of rows pure: the higher the sum over both sides of a split, the less
    /// impurity is left. The difference to the whole's is the weighted impurity taken away.
    #[inline]
    fn purity(self, sums: &[f64]) -> f64 {
        match self {
            Self::Squared => {
                if sums[0] > 0.0 {
                    sums[1] * sums[1] / sums[0]
                } else {
                    0.0
                }
            }
            Self::Classes(_, Criterion::Gini) => {
                let (mut total, mut squares) = (0.0, 0.0);
                for sum in sums {
                    total += sum;
                    squares += sum * sum;
                }
                if total > 0.0 { squares / total } else { 0.0 }
            }
            Self::Classes(_, Criterion::Entropy) => {
                let (mut total, mut parts) = (0.0, 0.0);
                for &sum in sums.iter().filter(|sum| **sum > 0.0) {
                    total += sum;
                    parts += sum * sum.log2();
                }
                if total > 0.0 {
                    parts - total * total.log2()
                } else {
                    0.0
                }
            }
        }
    }
}

/// What a split must keep to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Rows on either side, at least.
    pub(super) min_leaf: usize,
    /// Impurity taken away, at least, as a share of the weight of all rows.
    pub(super) min_gain: f64,
    /// Factor from what [`Impurity`] measures to what the user's criterion does.
    pub(super) unit: f64,
    /// Features tried at a node.
    pub(super) tried: usize,
    /// Whether the threshold of each feature is drawn, not searched.
    pub(super) random: bool,
}

/// A split of a node's rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub(super) feature: usize,
    pub(super) gain: f64,
    pub(super) left_bins: BinSet,
    /// For numbers.
    pub(super) threshold: f64,
    pub(super) missing_left: bool,
}

/// Sums of a node by the bins of one feature; reused from feature to feature.
pub(super) struct Splitter<'a> {
    binned: &'a Binned,
    impurity: Impurity,
    /// For each feature the order of its bins; empty to order them anew at each node.
    ranks: &'a [Vec<u8>],
    rules: Rules,
    /// Weight times impurity that a split takes away, at least.
    min_gain: f64,
    /// By bin; all 0 between two features.
    histogram: Vec<f64>,
    rows: [u32; 256],
    /// The bins that have rows, ascending, and those bins' sums and rows side by side.
    groups: Vec<Group>,
    group_sums: Vec<f64>,
    left: Vec<f64>,
    right: Vec<f64>,
    features: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Group {
    bin: usize,
    rows: usize,
    /// Its place among `group_sums`.
    at: usize,
}

impl<'a> Splitter<'a> {
    /// `weight`: of all rows of the tree.
    pub(super) fn new(
        binned: &'a Binned,
        impurity: Impurity,
        ranks: &'a [Vec<u8>],
        rules: Rules,
        weight: f64,
    ) -> Self {
        let sums = impurity.sums();
        Self {
            binned,
            impurity,
            ranks,
            rules,
            min_gain: rules.min_gain * weight,
            histogram: vec![0.0; 256 * sums],
            rows: [0; 256],
            groups: Vec::with_capacity(256),
            group_sums: Vec::with_capacity(256 * sums),
            left: vec![0.0; sums],
            right: vec![0.0; sums],
            features: (0..binned.cuts.len()).collect(),
        }
    }

    /// The best split among features drawn at random; where none of those tells the rows apart,
    /// further ones are drawn. `total` are the sums of all rows.
    pub(super) fn best(&mut self, samples: &[Sample], total: &[f64], random: &mut Random) -> Option<Split> {
        if samples.len() < 2 * self.rules.min_leaf.max(1) || self.is_pure(samples) {
            return None;
        }
        let whole = self.impurity.purity(total);
        let mut best: Option<Split> = None;
        let mut told_apart = false;
        for tried in 0..self.features.len() {
            if tried >= self.rules.tried && told_apart {
                break;
            }
            if self.rules.tried < self.features.len() {
                let drawn = tried + random.below(self.features.len() - tried);
                self.features.swap(tried, drawn);
            }
            let feature = self.features[tried];
            self.gather(feature, samples);
            if self.groups.len() < 2 {
                continue;
            }
            told_apart = true;
            let found = match (&self.binned.cuts[feature], self.rules.random) {
                (Cuts::Numeric { upper }, false) => self.threshold(upper, total),
                (Cuts::Numeric { upper }, true) => self.drawn_threshold(upper, total, random),
                (Cuts::Categorical { category_of, .. }, false) => {
                    self.categories(feature, category_of.len(), total)
                }
                (Cuts::Categorical { category_of, .. }, true) => {
                    self.drawn_categories(category_of.len(), total, random)
                }
            };
            if let Some((purity, left_bins, threshold, missing_left)) = found {
                let gain = (purity - whole) * self.rules.unit;
                let least = self.min_gain.max(whole.abs() * 1e-12);
                if gain > least && best.as_ref().is_none_or(|most| gain > most.gain) {
                    best = Some(Split {
                        feature,
                        gain,
                        left_bins,
                        threshold,
                        missing_left,
                    });
                }
            }
        }
        best
    }

    fn is_pure(&self, samples: &[Sample]) -> bool {
        let mut weighted = samples.iter().filter(|sample| sample.weight > 0.0);
        let first = weighted.next().map(|sample| sample.value);
        weighted.all(|sample| Some(sample.value) == first)
    }

    /// Sums the rows by bin.
    fn gather(&mut self, feature: usize, samples: &[Sample]) {
        let width = self.impurity.sums();
        let column = self.binned.columns[feature].as_slice();
        let mut filled = [0u64; 4];
        match self.impurity {
            Impurity::Squared => {
                let (slots, _) = self.histogram.as_chunks_mut::<2>();
                for sample in samples {
                    let bin = usize::from(column[sample.row as usize]);
                    let weight = f64::from(sample.weight);
                    slots[bin][0] += weight;
                    slots[bin][1] += weight * sample.value;
                    self.rows[bin] += 1;
                    filled[bin >> 6] |= 1 << (bin & 63);
                }
            }
            Impurity::Classes(..) => {
                for sample in samples {
                    let bin = usize::from(column[sample.row as usize]);
                    self.histogram[bin * width + sample.value as usize] += f64::from(sample.weight);
                    self.rows[bin] += 1;
                    filled[bin >> 6] |= 1 << (bin & 63);
                }
            }
        }
        self.groups.clear();
        self.group_sums.clear();
        for (word, mut bits) in filled.into_iter().enumerate() {
            while bits != 0 {
                let bin = word << 6 | bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let slots = &mut self.histogram[bin * width..(bin + 1) * width];
                self.groups.push(Group {
                    bin,
                    rows: self.rows[bin] as usize,
                    at: self.group_sums.len(),
                });
                self.group_sums.extend_from_slice(slots);
                slots.fill(0.0);
                self.rows[bin] = 0;
            }
        }
    }

    /// The purity of both sides if `left` are the sums of the one.
    fn purity_of_both(&mut self, total: &[f64]) -> f64 {
        for (right, (total, left)) in self.right.iter_mut().zip(total.iter().zip(&self.left)) {
            *right = total - left;
        }
        self.impurity.purity(&self.left) + self.impurity.purity(&self.right)
    }

    fn take_left(&mut self, group: Group) -> usize {
        let sums = &self.group_sums[group.at..];
        self.left
            .iter_mut()
            .zip(sums)
            .for_each(|(left, sum)| *left += sum);
        group.rows
    }

    /// The best cut between two bins; missing values are tried on both sides.
    fn threshold(&mut self, upper: &[f64], total: &[f64]) -> Option<Found> {
        let missing = self
            .groups
            .last()
            .copied()
            .filter(|group| group.bin == upper.len());
        let known = self.groups.len() - usize::from(missing.is_some());
        let all_rows: usize = self.groups.iter().map(|group| group.rows).sum();
        let mut best: Option<(f64, usize, bool)> = None;
        for missing_left in [false, true] {
            if missing_left && missing.is_none() {
                break;
            }
            self.left.fill(0.0);
            let mut left_rows = match missing {
                Some(missing) if missing_left => self.take_left(missing),
                _ => 0,
            };
            // With the missing on the right there may be a last question: is it known at all?
            let last = if missing.is_some() && !missing_left {
                known
            } else {
                known.saturating_sub(1)
            };
            for nth in 0..last {
                left_rows += self.take_left(self.groups[nth]);
                if left_rows < self.rules.min_leaf {
                    continue;
                }
                if all_rows - left_rows < self.rules.min_leaf {
                    break;
                }
                let purity = self.purity_of_both(total);
                if best.is_none_or(|(most, ..)| purity > most) {
                    best = Some((purity, nth, missing_left));
                }
            }
        }
        let (purity, nth, missing_left) = best?;
        Some(self.cut(upper, purity, nth, missing_left, missing.is_some(), known))
    }

    /// The cut after the `nth` of the known groups, half-way to the next.
    fn cut(
        &self,
        upper: &[f64],
        purity: f64,
        nth: usize,
        missing_left: bool,
        has_missing: bool,
        known: usize,
    ) -> Found {
        let low = self.groups[nth].bin;
        let high = if nth + 1 < known {
            self.groups[nth + 1].bin - 1
        } else {
            low
        };
        let middle = upper[low] / 2.0 + upper[high] / 2.0;
        let threshold = if middle >= upper[low] && middle <= upper[high] {
            middle
        } else {
            upper[low]
        };
        let mut left_bins = BinSet::default();
        (0..=low).for_each(|bin| left_bins.insert(bin));
        let missing_left = if has_missing {
            missing_left
        } else {
            // Nothing was learnt about missing values: they follow the majority.
            let left: usize = self.groups[..=nth].iter().map(|group| group.rows).sum();
            let right: usize = self.groups[nth + 1..].iter().map(|group| group.rows).sum();
            left >= right
        };
        if missing_left {
            left_bins.insert(upper.len());
        }
        (purity, left_bins, threshold, missing_left)
    }

    /// A cut drawn uniformly between the smallest and the largest value (Geurts, Ernst and
    /// Wehenkel 2006).
    fn drawn_threshold(&mut self, upper: &[f64], total: &[f64], random: &mut Random) -> Option<Found> {
        let missing = self
            .groups
            .last()
            .copied()
            .filter(|group| group.bin == upper.len());
        let known = self.groups.len() - usize::from(missing.is_some());
        let all_rows: usize = self.groups.iter().map(|group| group.rows).sum();
        let missing_left = missing.is_some() && random.below(2) == 1;
        self.left.fill(0.0);
        let mut left_rows = 0;
        let mut last = 0;
        let threshold = if known < 2 {
            upper[self.groups[0].bin]
        } else {
            let (low, high) = (upper[self.groups[0].bin], upper[self.groups[known - 1].bin - 1]);
            let drawn = low + (high - low) * random.uniform();
            if drawn.is_finite() { drawn } else { low }
        };
        for nth in 0..known {
            if nth > 0 && upper[self.groups[nth].bin] > threshold {
                break;
            }
            left_rows += self.take_left(self.groups[nth]);
            last = nth;
        }
        if let Some(missing) = missing.filter(|_| missing_left) {
            left_rows += self.take_left(missing);
        }
        if left_rows < self.rules.min_leaf || all_rows - left_rows < self.rules.min_leaf.max(1) {
            return None;
        }
        let purity = self.purity_of_both(total);
        let (purity, left_bins, _, missing_left) =
            self.cut(upper, purity, last, missing_left, missing.is_some(), known);
        Some((purity, left_bins, threshold, missing_left))
    }

    /// Categories in an order, cut once: that of `ranks`, or without one that of their mean label
    /// here, which is best for one number (Fisher 1958); of several classes that of the share of the
    /// most frequent one. What is missing is a category like others, that stays on the right.
    fn categories(&mut self, feature: usize, missing: usize, total: &[f64]) -> Option<Found> {
        let all_rows: usize = self.groups.iter().map(|group| group.rows).sum();
        if let Some(ranks) = self.ranks.get(feature) {
            self.groups.sort_unstable_by_key(|group| ranks[group.bin]);
        } else {
            self.sort_by_label(total);
        }
        self.left.fill(0.0);
        let mut left_rows = 0;
        let mut best: Option<(f64, usize)> = None;
        for nth in 0..self.groups.len() - 1 {
            left_rows += self.take_left(self.groups[nth]);
            if left_rows < self.rules.min_leaf {
                continue;
            }
            if all_rows - left_rows < self.rules.min_leaf {
                break;
            }
            let purity = self.purity_of_both(total);
            if best.is_none_or(|(most, _)| purity > most) {
                best = Some((purity, nth));
            }
        }
        let (purity, nth) = best?;
        Some((purity, self.side_without_missing(nth + 1, missing), 0.0, false))
    }

    fn sort_by_label(&mut self, total: &[f64]) {
        let most_frequent = (0..total.len()).fold(
            0,
            |most, class| {
                if total[class] > total[most] { class } else { most }
            },
        );
        let (impurity, sums, width) = (self.impurity, &self.group_sums, self.impurity.sums());
        let key = |group: &Group| {
            let sums = &sums[group.at..group.at + width];
            let part = match impurity {
                Impurity::Squared => sums[1],
                Impurity::Classes(..) => sums[most_frequent],
            };
            let weight = impurity.weight(sums);
            if weight > 0.0 { part / weight } else { 0.0 }
        };
        self.groups
            .sort_by(|left, right| key(left).total_cmp(&key(right)).then(left.bin.cmp(&right.bin)));
    }

    fn drawn_categories(&mut self, missing: usize, total: &[f64], random: &mut Random) -> Option<Found> {
        let all_rows: usize = self.groups.iter().map(|group| group.rows).sum();
        random.shuffle(&mut self.groups);
        let count = 1 + random.below(self.groups.len() - 1);
        self.left.fill(0.0);
        let mut left_rows = 0;
        for nth in 0..count {
            left_rows += self.take_left(self.groups[nth]);
        }
        if left_rows < self.rules.min_leaf || all_rows - left_rows < self.rules.min_leaf {
            return None;
        }
        let purity = self.purity_of_both(total);
        Some((purity, self.side_without_missing(count, missing), 0.0, false))
    }

    /// The bins of the first `count` groups, or of the others if the missing are among those: a
    /// missing category goes right.
    fn side_without_missing(&self, count: usize, missing: usize) -> BinSet {
        let (first, second) = self.groups.split_at(count);
        let side = if first.iter().any(|group| group.bin == missing) {
            second
        } else {
            first
        };
        let mut bins = BinSet::default();
        side.iter().for_each(|group| bins.insert(group.bin));
        bins
    }
}

/// Purity of both sides, bins on the left, threshold, whether missing values go left.
type Found = (f64, BinSet, f64, bool);
