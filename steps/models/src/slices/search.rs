//! The search for slices.

use super::benjamini_hochberg;
use super::conditions::{Condition, Cut};
use crate::error::ModelError;
use crate::frame::Frame;
use crate::metrics::student_two_sided;
use rayon::prelude::*;

/// How slices are searched.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `conditions` | 2 | 1 to 3 | conditions of a slice, at most |
/// | `bins` | 5 | 2 to 100 | conditions of a column, at most, beside the one for what is missing |
/// | `min_rows` | 50 | at least 2 | rows of a slice, and outside of it, at least |
/// | `min_effect` | 0.2 | at least 0 | effect size of a slice that is told, at least |
/// | `false_share` | 0.05 | above 0, at most 1 | share of false discoveries among slices that are told, at most |
/// | `most` | 20 | at least 1 | slices that are told, at most |
/// | `work` | 2,000,000,000 | at least 1 | rows looked at over all combinations of columns, at most; those that look least promising are left out beyond it |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SliceSearch {
    pub conditions: usize,
    pub bins: usize,
    pub min_rows: usize,
    pub min_effect: f64,
    pub false_share: f64,
    pub most: usize,
    pub work: u64,
}

impl Default for SliceSearch {
    fn default() -> Self {
        Self {
            conditions: 2,
            bins: 5,
            min_rows: 50,
            min_effect: 0.2,
            false_share: 0.05,
            most: 20,
            work: 2_000_000_000,
        }
    }
}

/// Rows that fulfil some conditions, and how their loss compares with that of all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// In the order of the columns.
    pub conditions: Vec<Condition>,
    pub rows: usize,
    /// Mean loss inside, and of all rows outside.
    pub loss: f64,
    pub loss_outside: f64,
    /// Difference of the means in units of spread: `√2 (inside − outside) / √(variance inside +
    /// variance outside)`; infinite if both are constant.
    pub effect: f64,
    /// One-sided, of Welch's test that the loss is not higher inside.
    pub p_value: f64,
    /// The same, corrected for all slices that were measured.
    pub corrected_p_value: f64,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Slices {
    /// Most loss above the mean first: by rows times difference.
    pub found: Vec<Slice>,
    /// Slices with enough rows, all of which were measured.
    pub measured: usize,
    /// False if combinations of columns were left out for the sake of time.
    pub complete: bool,
}

/// Number, sum and sum of squares of losses.
#[derive(Clone, Copy, Default)]
struct Sums {
    rows: f64,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, loss: f64) {
        self.rows += 1.0;
        self.sum += loss;
        self.squares += loss * loss;
    }

    fn without(&self, other: &Self) -> Self {
        Self {
            rows: self.rows - other.rows,
            sum: self.sum - other.sum,
            squares: self.squares - other.squares,
        }
    }

    fn mean(&self) -> f64 {
        self.sum / self.rows
    }

    fn variance(&self) -> f64 {
        ((self.squares - self.sum * self.sum / self.rows) / (self.rows - 1.0)).max(0.0)
    }
}

/// A slice by the places of its columns and conditions.
struct Candidate {
    columns: Vec<usize>,
    codes: Vec<usize>,
    sums: Sums,
    effect: f64,
    p_value: f64,
}

impl SliceSearch {
    /// Finds slices of the frame's columns by the loss of each row, such as its squared error,
    /// logarithmic loss, or 1 for a wrong decision. The same input gives the same slices. A slice is
    /// told only if it is worse than every part of its conditions that is told before it.
    ///
    /// # Errors
    /// `Parameter`, `NoRows`, `LengthMismatch`, `NotFinite`.
    pub fn find(&self, frame: &Frame, losses: &[f64]) -> Result<Slices, ModelError> {
        self.check(frame, losses)?;
        // Losses around their mean, so that their squares can be told from its square.
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        let centred: Vec<f64> = losses.iter().map(|loss| loss - mean).collect();
        let mut all = Sums::default();
        centred.iter().for_each(|loss| all.add(*loss));
        let cuts: Vec<Cut> = frame
            .columns()
            .par_iter()
            .map(|column| Cut::new(&column.name, &column.values, self.bins))
            .collect();
        let mut work = self.work / losses.len() as u64;
        let mut complete = true;
        let mut candidates: Vec<Candidate> = Vec::new();
        // Effect of the worst slice of each combination of columns of the last size.
        let mut last: Vec<(Vec<usize>, f64)> = vec![(Vec::new(), f64::INFINITY)];
        for _ in 0..self.conditions.min(cuts.len()) {
            let mut wanted: Vec<(Vec<usize>, f64)> = last
                .iter()
                .flat_map(|(columns, effect)| {
                    let next = columns.last().map_or(0, |last| last + 1);
                    (next..cuts.len()).map(move |column| {
                        let mut columns = columns.clone();
                        columns.push(column);
                        (columns, *effect)
                    })
                })
                .collect();
            if wanted.len() as u64 > work {
                complete = false;
                wanted.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
                wanted.truncate(work as usize);
                wanted.sort_by(|left, right| left.0.cmp(&right.0));
            }
            work -= (wanted.len() as u64).min(work);
            let measured: Vec<(Vec<usize>, Vec<Candidate>)> = wanted
                .into_par_iter()
                .map(|(columns, _)| {
                    let found = self.measure(&cuts, &columns, &centred, &all);
                    (columns, found)
                })
                .collect();
            last.clear();
            for (columns, found) in measured {
                let worst = found
                    .iter()
                    .fold(f64::NEG_INFINITY, |most, slice| most.max(slice.effect));
                candidates.extend(found);
                last.push((columns, worst));
            }
        }
        let p_values: Vec<f64> = candidates.iter().map(|candidate| candidate.p_value).collect();
        let corrected = benjamini_hochberg(&p_values);
        Ok(Slices {
            found: self.told(&cuts, &candidates, &corrected, &all, mean),
            measured: candidates.len(),
            complete,
        })
    }

    fn check(&self, frame: &Frame, losses: &[f64]) -> Result<(), ModelError> {
        if losses.is_empty() {
            return Err(ModelError::NoRows { doing: "search" });
        }
        if frame.rows() != losses.len() {
            return Err(ModelError::LengthMismatch {
                left_name: "the features",
                left: frame.rows(),
                right_name: "the losses",
                right: losses.len(),
            });
        }
        if let Some(row) = losses.iter().position(|loss| !loss.is_finite()) {
            return Err(ModelError::NotFinite { what: "loss", row });
        }
        let whole = |name, value: usize, range: std::ops::RangeInclusive<usize>, rule| {
            if range.contains(&value) {
                Ok(())
            } else {
                Err(ModelError::Parameter {
                    name,
                    value: value.to_string(),
                    rule,
                })
            }
        };
        whole("conditions", self.conditions, 1..=3, "1 to 3")?;
        whole("bins", self.bins, 2..=100, "2 to 100")?;
        whole("min_rows", self.min_rows, 2..=usize::MAX, "at least 2")?;
        whole("most", self.most, 1..=usize::MAX, "at least 1")?;
        crate::fit::at_least("min_effect", self.min_effect)?;
        crate::fit::share("false_share", self.false_share)
    }

    /// All slices of some columns with enough rows, in one pass over the rows.
    fn measure(&self, cuts: &[Cut], columns: &[usize], losses: &[f64], all: &Sums) -> Vec<Candidate> {
        let widths: Vec<usize> = columns
            .iter()
            .map(|&column| cuts[column].conditions.len())
            .collect();
        let mut cells = vec![Sums::default(); widths.iter().product()];
        for (row, loss) in losses.iter().enumerate() {
            let mut cell = 0;
            for (&column, width) in columns.iter().zip(&widths) {
                cell = cell * width + usize::from(cuts[column].codes[row]);
            }
            cells[cell].add(*loss);
        }
        let mut found = Vec::new();
        for (mut cell, sums) in cells.into_iter().enumerate() {
            let outside = all.without(&sums);
            if sums.rows < self.min_rows as f64 || outside.rows < self.min_rows as f64 {
                continue;
            }
            let mut codes = vec![0; columns.len()];
            for (code, width) in codes.iter_mut().zip(&widths).rev() {
                *code = cell % width;
                cell /= width;
            }
            let (effect, p_value) = compared(&sums, &outside);
            found.push(Candidate {
                columns: columns.to_vec(),
                codes,
                sums,
                effect,
                p_value,
            });
        }
        found
    }

    fn told(
        &self,
        cuts: &[Cut],
        candidates: &[Candidate],
        corrected: &[f64],
        all: &Sums,
        mean: f64,
    ) -> Vec<Slice> {
        let mut order: Vec<usize> = (0..candidates.len())
            .filter(|&at| candidates[at].effect >= self.min_effect && corrected[at] <= self.false_share)
            .collect();
        // Losses stand around their mean: the sum of a slice is what it loses beyond it.
        order.sort_by(|&a, &b| {
            let (left, right) = (&candidates[a], &candidates[b]);
            right.sums.sum.total_cmp(&left.sums.sum).then(a.cmp(&b))
        });
        let mut told: Vec<usize> = Vec::new();
        for at in order {
            let candidate = &candidates[at];
            let nothing_new = told.iter().any(|&before| {
                let before = &candidates[before];
                before.holds(candidate) && before.sums.mean() >= candidate.sums.mean()
            });
            if !nothing_new {
                told.push(at);
            }
            if told.len() == self.most {
                break;
            }
        }
        told.into_iter()
            .map(|at| {
                let candidate = &candidates[at];
                let conditions = candidate.columns.iter().zip(&candidate.codes);
                Slice {
                    conditions: conditions
                        .map(|(&column, &code)| cuts[column].conditions[code].clone())
                        .collect(),
                    rows: candidate.sums.rows as usize,
                    loss: mean + candidate.sums.mean(),
                    loss_outside: mean + all.without(&candidate.sums).mean(),
                    effect: candidate.effect,
                    p_value: candidate.p_value,
                    corrected_p_value: corrected[at],
                }
            })
            .collect()
    }
}

impl Candidate {
    /// Whether every row of the other is one of this: its conditions are among the other's.
    fn holds(&self, other: &Self) -> bool {
        self.columns.iter().zip(&self.codes).all(|condition| {
            other
                .columns
                .iter()
                .zip(&other.codes)
                .any(|theirs| theirs == condition)
        })
    }
}

/// Effect size, and Welch's one-sided p-value of a higher mean inside.
fn compared(inside: &Sums, outside: &Sums) -> (f64, f64) {
    let difference = inside.mean() - outside.mean();
    let (own, others) = (inside.variance(), outside.variance());
    if own + others <= 0.0 {
        return if difference > 0.0 {
            (f64::INFINITY, 0.0)
        } else if difference < 0.0 {
            (f64::NEG_INFINITY, 1.0)
        } else {
            (0.0, 1.0)
        };
    }
    let effect = std::f64::consts::SQRT_2 * difference / (own + others).sqrt();
    let (a, b) = (own / inside.rows, others / outside.rows);
    let freedom = (a + b) * (a + b) / (a * a / (inside.rows - 1.0) + b * b / (outside.rows - 1.0));
    let two_sided = student_two_sided(difference / (a + b).sqrt(), freedom);
    let p_value = if difference > 0.0 {
        two_sided / 2.0
    } else {
        1.0 - two_sided / 2.0
    };
    (effect, p_value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameColumn, Values, categorical};
    use crate::random::Random;

    /// Four columns that say nothing, and a loss of noise.
    fn noise(rows: usize, seed: u64) -> (Frame, Vec<f64>) {
        let mut random = Random::new(seed);
        let mut columns = Vec::new();
        for name in ["x", "y"] {
            let values = Values::Numeric((0..rows).map(|_| random.uniform()).collect());
            columns.push(FrameColumn {
                name: name.into(),
                values,
            });
        }
        for name in ["city", "colour"] {
            let texts: Vec<Option<&str>> = (0..rows)
                .map(|_| ["a", "b", "c"].get(random.below(4)).copied())
                .collect();
            columns.push(FrameColumn {
                name: name.into(),
                values: categorical(texts),
            });
        }
        let losses = (0..rows).map(|_| random.uniform()).collect();
        (Frame::new(columns).unwrap(), losses)
    }

    #[test]
    fn a_crossed_slice_that_was_made_worse_is_found_first_with_what_it_lost() {
        let (frame, mut losses) = noise(5_000, 3);
        let (Some(Values::Numeric(x)), Some(Values::Categorical { codes, .. })) =
            (frame.column("x"), frame.column("city"))
        else {
            panic!("columns of the frame")
        };
        let inside: Vec<usize> = (0..5_000)
            .filter(|&row| x[row] > 0.8 && codes[row] == 1)
            .collect();
        for &row in &inside {
            losses[row] += 1.0;
        }
        let found = SliceSearch::default().find(&frame, &losses).unwrap();
        let worst = &found.found[0];
        let shown: Vec<String> = worst.conditions.iter().map(Condition::to_string).collect();
        assert!(
            shown[0].starts_with("x > 0.8") || shown[0].starts_with("x > 0.79"),
            "{shown:?}"
        );
        assert_eq!((shown.len(), shown[1].as_str()), (2, "city is b"));
        assert!(worst.loss > 1.4 && worst.loss_outside < 0.55 && worst.corrected_p_value < 1e-9);
        assert!(worst.rows.abs_diff(inside.len()) < 20);
        assert!(found.complete);
    }

    #[test]
    fn noise_has_no_slices_and_a_single_one_is_not_told_again_by_its_parts() {
        for seed in 0..5 {
            let (frame, losses) = noise(3_000, seed);
            let search = SliceSearch {
                conditions: 3,
                min_effect: 0.0,
                ..SliceSearch::default()
            };
            let found = search.find(&frame, &losses).unwrap();
            assert!(found.found.is_empty(), "{:?}", found.found);
            assert!(found.measured > 100);
        }
        let (frame, mut losses) = noise(4_000, 9);
        let Some(Values::Categorical { codes, .. }) = frame.column("colour") else {
            panic!("column of the frame")
        };
        losses
            .iter_mut()
            .zip(codes)
            .filter(|(_, code)| **code == 2)
            .for_each(|(loss, _)| *loss = 2.0);
        let found = SliceSearch::default().find(&frame, &losses).unwrap();
        assert_eq!(found.found.len(), 1, "{:?}", found.found);
        assert_eq!(found.found[0].conditions[0].to_string(), "colour is c");
        assert!((found.found[0].loss - 2.0).abs() < 1e-12);
    }

    #[test]
    fn welchs_test_is_that_of_scipy() {
        // scipy.stats.ttest_ind(a, b, equal_var=False, alternative="greater").
        let sums = |values: &[f64]| {
            let mut sums = Sums::default();
            values.iter().for_each(|value| sums.add(*value));
            sums
        };
        let (a, b) = ([0.9, 1.4, 0.7, 1.1, 2.0], [0.6, 0.8, 1.0, 0.5, 0.7, 0.9, 0.4]);
        let (effect, p_value) = compared(&sums(&a), &sums(&b));
        assert!((p_value - 0.041_439_657_674_014_95).abs() < 1e-12, "{p_value}");
        assert!((effect - 1.334_503_694_176_034_6).abs() < 1e-12, "{effect}");
        assert!((compared(&sums(&b), &sums(&a)).1 - (1.0 - 0.041_439_657_674_014_95)).abs() < 1e-12);
        assert_eq!(compared(&sums(&[1.0; 3]), &sums(&[1.0; 3])), (0.0, 1.0));
    }

    #[test]
    fn work_is_bounded_and_that_is_said() {
        let (frame, losses) = noise(1_000, 1);
        let search = SliceSearch {
            work: 6_000,
            ..SliceSearch::default()
        };
        // Four columns and two of their six pairs.
        let found = search.find(&frame, &losses).unwrap();
        assert!(!found.complete);
        assert!(found.measured < SliceSearch::default().find(&frame, &losses).unwrap().measured);
    }

    #[test]
    fn wrong_parameters_and_losses_are_refused() {
        let (frame, losses) = noise(100, 1);
        let wrong = [
            SliceSearch {
                conditions: 4,
                ..SliceSearch::default()
            },
            SliceSearch {
                bins: 1,
                ..SliceSearch::default()
            },
            SliceSearch {
                min_rows: 1,
                ..SliceSearch::default()
            },
            SliceSearch {
                false_share: 0.0,
                ..SliceSearch::default()
            },
        ];
        for search in wrong {
            assert!(search.find(&frame, &losses).is_err());
        }
        assert!(SliceSearch::default().find(&frame, &losses[1..]).is_err());
        assert!(SliceSearch::default().find(&frame, &[f64::NAN; 100]).is_err());
    }
}
