//! The best question to ask of the rows of a leaf.

use super::histogram::Histogram;
use crate::bins::Cuts;

/// A category needs this many rows of a leaf to be sorted among the others, and this much is added
/// to its hessian when it is (LightGBM's `cat_smooth`).
const CATEGORY_SMOOTHING: f64 = 10.0;
/// Added to lambda where categories are split (LightGBM's `cat_l2`).
const CATEGORY_L2: f64 = 10.0;
/// Categories on the smaller side of a split, at most (LightGBM's `max_cat_threshold`).
const MAX_CATEGORIES_ON_A_SIDE: usize = 32;
/// Rows between two tried splits of sorted categories (LightGBM's `min_data_per_group`).
const MIN_ROWS_PER_GROUP: f64 = 100.0;
/// With up to this many bins each category is tried alone against the rest.
const MAX_BINS_ONE_AGAINST_REST: usize = 4;

/// What a split must keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SplitRules {
    /// Absolute gradient that is not answered.
    pub(crate) l1: f64,
    pub(crate) lambda: f64,
    pub(crate) min_rows: f64,
    pub(crate) min_hessian: f64,
    pub(crate) min_gain: f64,
}

/// Sums over rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) gradient: f64,
    pub(crate) hessian: f64,
}

impl Sums {
    fn plus(self, [gradient, hessian]: [f64; 2]) -> Self {
        Self {
            gradient: self.gradient + gradient,
            hessian: self.hessian + hessian,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            gradient: self.gradient - other.gradient,
            hessian: self.hessian - other.hessian,
        }
    }

    fn score(self, lambda: f64) -> f64 {
        let hessian = self.hessian + lambda;
        if hessian > 0.0 {
            self.gradient * self.gradient / hessian
        } else {
            0.0
        }
    }

    /// The step that lowers the loss most, to second order, with its penalties and bounds.
    pub(crate) fn step(self, l1: f64, lambda: f64, bounds: Bounds) -> f64 {
        let hessian = self.hessian + lambda;
        if hessian > 0.0 {
            (-self.above(l1) / hessian).clamp(bounds.low, bounds.high)
        } else {
            0.0
        }
    }

    /// The gradient without what the absolute penalty holds back.
    fn above(self, l1: f64) -> f64 {
        if l1 == 0.0 {
            self.gradient
        } else {
            self.gradient.signum() * (self.gradient.abs() - l1).max(0.0)
        }
    }

    /// Twice what step `step` lowers the loss by.
    fn score_of(self, step: f64, l1: f64, lambda: f64) -> f64 {
        -(2.0 * self.above(l1) * step + (self.hessian + lambda) * step * step)
    }
}

/// Between which steps those of a leaf must lie, so that a feature above it stays monotone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Bounds {
    pub(crate) const NONE: Self = Self {
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
    };
}

/// Which bins go left: one bit a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BinSet([u64; 4]);

impl BinSet {
    pub(crate) fn insert(&mut self, bin: usize) {
        self.0[bin >> 6 & 3] |= 1 << (bin & 63);
    }

    #[inline]
    pub(crate) fn contains(&self, bin: u8) -> bool {
        self.0[usize::from(bin) >> 6] >> (bin & 63) & 1 == 1
    }
}

/// A split of a leaf's rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Split {
    pub(crate) feature: usize,
    pub(crate) gain: f64,
    pub(crate) left_bins: BinSet,
    /// Last bin on the left, for numbers.
    pub(crate) last_left: usize,
    pub(crate) missing_left: bool,
    pub(crate) left: Sums,
    pub(crate) right: Sums,
    /// Lambda for the values of both sides.
    pub(crate) lambda: f64,
    pub(crate) left_bounds: Bounds,
    pub(crate) right_bounds: Bounds,
}

/// The best split of one feature, if any obeys the rules and gains anything.
///
/// `rows`: rows of the leaf. As in LightGBM a bin's rows are estimated from its hessian, which
/// spares counting them; for squared error with weights 1 that is exact.
pub(crate) fn best_split(
    feature: usize,
    cuts: &Cuts,
    histogram: &Histogram,
    total: Sums,
    rows: usize,
    limits: &Limits<'_>,
) -> Option<Split> {
    if total.hessian <= 0.0 {
        return None;
    }
    let rules = limits.rules;
    let bounded = limits.direction != 0 || limits.bounds != Bounds::NONE;
    let mut search = Search {
        feature,
        total,
        rows: rows as f64,
        rows_per_hessian: rows as f64 / total.hessian,
        floor: 0.0,
        rules,
        bounds: limits.bounds,
        direction: limits.direction,
    };
    let own = if bounded || rules.l1 > 0.0 {
        search.side_score(total, rules.lambda)
    } else {
        total.score(rules.lambda)
    };
    search.floor = own + rules.min_gain + own.abs() * 1e-12;
    let lambda = rules.lambda;
    match cuts {
        Cuts::Numeric { upper } => {
            let bins = &histogram[..=upper.len()];
            if bounded || rules.l1 > 0.0 {
                search.numeric(bins, |left, right| search.score_of_both(left, right, lambda))
            } else {
                search.numeric(bins, |left, right| left.score(lambda) + right.score(lambda))
            }
        }
        Cuts::Categorical { category_of, .. } => search.categorical(&histogram[..=category_of.len()]),
    }
}

/// What a split of one leaf by one feature must keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<'a> {
    pub(crate) rules: &'a SplitRules,
    pub(crate) bounds: Bounds,
    /// 1 if the prediction may only rise with the feature, −1 if it may only fall, else 0.
    pub(crate) direction: i8,
}

struct Search<'a> {
    feature: usize,
    total: Sums,
    rows: f64,
    rows_per_hessian: f64,
    /// What the sum of both sides' scores must exceed.
    floor: f64,
    rules: &'a SplitRules,
    bounds: Bounds,
    direction: i8,
}

impl Search<'_> {
    fn side_score(&self, side: Sums, lambda: f64) -> f64 {
        let step = side.step(self.rules.l1, lambda, self.bounds);
        side.score_of(step, self.rules.l1, lambda)
    }

    /// −∞ if the sides' steps are in the wrong order.
    fn score_of_both(&self, left: Sums, right: Sums, lambda: f64) -> f64 {
        if self.direction != 0 {
            let step = |side: Sums| side.step(self.rules.l1, lambda, self.bounds);
            if (step(right) - step(left)) * f64::from(self.direction) < 0.0 {
                return f64::NEG_INFINITY;
            }
        }
        self.side_score(left, lambda) + self.side_score(right, lambda)
    }

    /// The bounds of both sides: half-way between their steps where the feature is monotone.
    fn bounds_below(&self, left: Sums, right: Sums, lambda: f64) -> (Bounds, Bounds) {
        let whole = self.bounds;
        if self.direction == 0 {
            return (whole, whole);
        }
        let step = |side: Sums| side.step(self.rules.l1, lambda, whole);
        let middle = step(left) / 2.0 + step(right) / 2.0;
        let (below, above) = (
            Bounds {
                high: middle,
                ..whole
            },
            Bounds { low: middle, ..whole },
        );
        if self.direction > 0 {
            (below, above)
        } else {
            (above, below)
        }
    }

    fn rows_of(&self, hessian: f64) -> f64 {
        (hessian * self.rows_per_hessian).round()
    }

    fn allows(&self, side: Sums, rows: f64) -> bool {
        side.hessian >= self.rules.min_hessian && rows >= self.rules.min_rows
    }

    fn numeric(&self, bins: &[[f64; 2]], score_of: impl Fn(Sums, Sums) -> f64) -> Option<Split> {
        let (missing, known) = bins.split_last()?;
        // What is left of an empty bin after subtracting histograms is no row.
        let has_missing = missing[1] > self.total.hessian * 1e-9;
        // Rounding to whole rows is a call for each bin; these limits hold for what is not rounded.
        let (least_hessian, least_rows) = (self.rules.min_hessian, self.rules.min_rows.ceil());
        let (fewest, too_many) = (least_rows - 0.5, self.rows - least_rows + 0.5);
        let (mut most, mut best) = (self.floor, None::<(usize, bool, Sums)>);
        let mut scan = |missing_left: bool| {
            let mut left = if missing_left {
                Sums::default().plus(*missing)
            } else {
                Sums::default()
            };
            // With the missing on the right there may be a last question: is it known at all?
            let last = if has_missing && !missing_left {
                known.len()
            } else {
                known.len().saturating_sub(1)
            };
            for (bin, sums) in known[..last].iter().enumerate() {
                if *sums == [0.0; 2] {
                    continue;
                }
                left = left.plus(*sums);
                let left_rows = left.hessian * self.rows_per_hessian;
                if left.hessian < least_hessian || left_rows < fewest {
                    continue;
                }
                let right = self.total.minus(left);
                if right.hessian < least_hessian || left_rows >= too_many {
                    break;
                }
                let score = score_of(left, right);
                if score > most {
                    most = score;
                    best = Some((bin, missing_left, left));
                }
            }
        };
        scan(false);
        if has_missing {
            scan(true);
        }
        let (score, (last_left, mut missing_left, left)) = (most, best?);
        let right = self.total.minus(left);
        if !has_missing {
            // Nothing was learnt about missing values: they follow the majority.
            missing_left = left.hessian >= right.hessian;
        }
        let mut left_bins = BinSet::default();
        (0..=last_left).for_each(|bin| left_bins.insert(bin));
        if missing_left {
            left_bins.insert(known.len());
        }
        let lambda = self.rules.lambda;
        let gain = score - self.side_score(self.total, lambda);
        let (left_bounds, right_bounds) = self.bounds_below(left, right, lambda);
        Some(Split {
            feature: self.feature,
            gain,
            left_bins,
            last_left,
            missing_left,
            left,
            right,
            lambda,
            left_bounds,
            right_bounds,
        })
    }

    fn categorical(&self, bins: &[[f64; 2]]) -> Option<Split> {
        let known = bins.len() - 1;
        if bins.len() <= MAX_BINS_ONE_AGAINST_REST {
            self.one_against_rest(&bins[..known])
        } else {
            self.sorted(&bins[..known])
        }
    }

    fn one_against_rest(&self, bins: &[[f64; 2]]) -> Option<Split> {
        let mut best: Option<(f64, usize, Sums)> = None;
        for (bin, sums) in bins.iter().enumerate() {
            let left = Sums::default().plus(*sums);
            let right = self.total.minus(left);
            let left_rows = self.rows_of(left.hessian);
            if !self.allows(left, left_rows) || !self.allows(right, self.rows - left_rows) {
                continue;
            }
            let score = self.score_of_both(left, right, self.rules.lambda);
            if score > self.floor && best.is_none_or(|(most, ..)| score > most) {
                best = Some((score, bin, left));
            }
        }
        let (score, bin, left) = best?;
        let mut left_bins = BinSet::default();
        left_bins.insert(bin);
        Some(self.category_split(score, left_bins, left, self.rules.lambda))
    }

    /// Fisher's way (1958): categories in the order of their own best steps, cut once.
    fn sorted(&self, bins: &[[f64; 2]]) -> Option<Split> {
        let mut order: Vec<(f64, usize)> = bins
            .iter()
            .enumerate()
            .filter(|(_, sums)| self.rows_of(sums[1]) >= CATEGORY_SMOOTHING)
            .map(|(bin, sums)| (sums[0] / (sums[1] + CATEGORY_SMOOTHING), bin))
            .collect();
        order.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        let most = MAX_CATEGORIES_ON_A_SIDE.min(order.len().div_ceil(2));
        let lambda = self.rules.lambda + CATEGORY_L2;
        let mut best: Option<(f64, bool, usize, Sums)> = None;
        for backwards in [false, true] {
            let mut left = Sums::default();
            let mut left_rows = 0.0;
            let mut group_rows = 0.0;
            for taken in 0..most {
                let place = if backwards { order.len() - 1 - taken } else { taken };
                let sums = bins[order[place].1];
                let rows = self.rows_of(sums[1]);
                left = left.plus(sums);
                left_rows += rows;
                group_rows += rows;
                if !self.allows(left, left_rows) {
                    continue;
                }
                let right = self.total.minus(left);
                let right_rows = self.rows - left_rows;
                if !self.allows(right, right_rows) || right_rows < MIN_ROWS_PER_GROUP {
                    break;
                }
                if group_rows < MIN_ROWS_PER_GROUP {
                    continue;
                }
                group_rows = 0.0;
                let score = self.score_of_both(left, right, lambda);
                if score > self.floor && best.is_none_or(|(most, ..)| score > most) {
                    best = Some((score, backwards, taken + 1, left));
                }
            }
        }
        let (score, backwards, count, left) = best?;
        let mut left_bins = BinSet::default();
        let chosen = if backwards {
            &order[order.len() - count..]
        } else {
            &order[..count]
        };
        chosen.iter().for_each(|&(_, bin)| left_bins.insert(bin));
        Some(self.category_split(score, left_bins, left, lambda))
    }

    fn category_split(&self, score: f64, left_bins: BinSet, left: Sums, lambda: f64) -> Split {
        Split {
            feature: self.feature,
            gain: score - self.side_score(self.total, self.rules.lambda),
            left_bins,
            last_left: 0,
            missing_left: false,
            left,
            right: self.total.minus(left),
            lambda,
            left_bounds: self.bounds,
            right_bounds: self.bounds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: SplitRules = SplitRules {
        l1: 0.0,
        lambda: 0.0,
        min_rows: 1.0,
        min_hessian: 0.0,
        min_gain: 0.0,
    };

    fn histogram(bins: &[[f64; 2]]) -> (Histogram, Sums, usize) {
        let mut histogram = [[0.0; 2]; 272];
        histogram[..bins.len()].copy_from_slice(bins);
        let total = bins.iter().fold(Sums::default(), |sums, bin| sums.plus(*bin));
        (histogram, total, total.hessian.round() as usize)
    }

    fn numbers(bins: &[[f64; 2]], rules: &SplitRules) -> Option<Split> {
        let (histogram, total, rows) = histogram(bins);
        let cuts = Cuts::Numeric {
            upper: vec![0.0; bins.len() - 1],
        };
        let limits = Limits {
            rules,
            bounds: Bounds::NONE,
            direction: 0,
        };
        best_split(3, &cuts, &histogram, total, rows, &limits)
    }

    fn categories(bins: &[[f64; 2]]) -> Option<Split> {
        let (histogram, total, rows) = histogram(bins);
        let category_of: Vec<u32> = (0..bins.len() as u32 - 1).collect();
        let cuts = Cuts::Categorical {
            bin_of: vec![],
            category_of,
        };
        let limits = Limits {
            rules: &RULES,
            bounds: Bounds::NONE,
            direction: 0,
        };
        best_split(0, &cuts, &histogram, total, rows, &limits)
    }

    #[test]
    fn numbers_are_cut_where_both_sides_differ_most() {
        // By hand: (−6)²/3 + 6²/3 − 0²/6 = 24, more than any other cut.
        let split = numbers(
            &[
                [-2.0, 1.0],
                [-2.0, 1.0],
                [-2.0, 1.0],
                [3.0, 1.5],
                [3.0, 1.5],
                [0.0, 0.0],
            ],
            &RULES,
        )
        .unwrap();
        assert_eq!((split.feature, split.last_left), (3, 2));
        assert!((split.gain - 24.0).abs() < 1e-12);
    }

    #[test]
    fn missing_values_go_to_the_side_they_resemble() {
        let like_left = numbers(&[[-4.0, 2.0], [4.0, 2.0], [-6.0, 3.0]], &RULES).unwrap();
        assert!(like_left.missing_left && like_left.left_bins.contains(2));
        let like_right = numbers(&[[-4.0, 2.0], [4.0, 2.0], [6.0, 3.0]], &RULES).unwrap();
        assert!(!like_right.missing_left && !like_right.left_bins.contains(2));
        let only_missing_differ = numbers(&[[1.0, 2.0], [1.0, 2.0], [-8.0, 4.0]], &RULES).unwrap();
        assert_eq!(
            (only_missing_differ.last_left, only_missing_differ.missing_left),
            (1, false)
        );
    }

    #[test]
    fn rules_on_rows_and_hessian_are_kept() {
        let bins = [[-2.0, 1.0], [5.0, 50.0], [-5.0, 50.0], [0.0, 0.0]];
        let rules = SplitRules {
            min_rows: 20.0,
            ..RULES
        };
        assert_eq!(numbers(&bins, &rules).unwrap().last_left, 1);
        assert_eq!(
            numbers(
                &bins,
                &SplitRules {
                    min_rows: 60.0,
                    ..RULES
                }
            ),
            None
        );
    }

    #[test]
    fn a_leaf_whose_bins_are_alike_is_not_split() {
        assert_eq!(numbers(&[[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]], &RULES), None);
        assert_eq!(numbers(&[[0.0, 0.0], [0.0, 0.0]], &RULES), None);
    }

    #[test]
    fn categories_are_grouped_by_their_gradients_and_rare_ones_go_right() {
        let split = categories(&[
            [90.0, 150.0],
            [-80.0, 150.0],
            [95.0, 150.0],
            [-85.0, 150.0],
            [-4.0, 5.0],
            [0.0, 0.0],
        ])
        .unwrap();
        let left: Vec<u8> = (0..6).filter(|&bin| split.left_bins.contains(bin)).collect();
        assert!(left == [0, 2] || left == [1, 3], "{left:?}");
        assert!(!split.missing_left);
        assert_eq!(split.lambda, CATEGORY_L2);
    }

    #[test]
    fn three_categories_are_tried_one_against_the_rest() {
        let split = categories(&[[50.0, 100.0], [-90.0, 100.0], [40.0, 100.0], [0.0, 0.0]]).unwrap();
        assert_eq!(
            (0..4)
                .filter(|&bin| split.left_bins.contains(bin))
                .collect::<Vec<u8>>(),
            [1]
        );
    }
}
