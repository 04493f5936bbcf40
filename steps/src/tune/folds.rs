//! Which rows a trial learns from and which it is judged by.

use crate::train::data::Examples;
use polars::prelude::{Column, DataType};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use trainyard_contract::StepError;
use trainyard_models::Task;
use trainyard_models::random::Random;

/// How the rows of `train` are split where there is no input `valid`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Validation {
    /// Parts, of which each is judged once by a model of the others (k-fold cross-validation).
    /// Default: 5, unless `holdout` is given.
    #[serde(default)]
    #[schemars(range(min = 2, max = 100), extend("x-source" = "scikit-learn `cv`"))]
    pub(super) folds: Option<u32>,
    /// Share of the rows that trials are judged by, in place of folds.
    #[serde(default)]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1, "x-aliases" = ["test_size"]))]
    pub(super) holdout: Option<f64>,
    /// What decides on the part of a row. Default: `time` if the table declares an event time, else
    /// `stratified` for classes and `random` for numbers.
    #[serde(default)]
    pub(super) by: Option<By>,
    /// Column of groups or of time. Default for `time`: the table's event time.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    pub(super) column: Option<String>,
}

/// What decides on the part of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// Chance.
    Random,
    /// Chance, within each class.
    Stratified,
    /// A column: rows with the same value stay together.
    Group,
    /// A column of time: trials learn from what was before the rows they are judged by.
    Time,
}

impl Validation {
    /// What decides on parts, with what is known of the table.
    pub(super) fn by(&self, task: &Task, event_time: Option<&str>) -> By {
        self.by.unwrap_or(match (event_time, task) {
            (Some(_), _) => By::Time,
            (None, Task::Binary { .. } | Task::Multiclass { .. }) => By::Stratified,
            (None, _) => By::Random,
        })
    }

    /// The column that is needed for it.
    pub(super) fn column<'a>(&'a self, by: By, event_time: Option<&'a str>) -> Option<&'a str> {
        match by {
            By::Random | By::Stratified => None,
            By::Group => self.column.as_deref(),
            By::Time => self.column.as_deref().or(event_time),
        }
    }

    /// The splits: places of the rows to learn from and of those to judge by.
    ///
    /// # Errors
    /// `Rejected` if there are too few rows, groups or moments.
    pub(super) fn splits(
        &self,
        by: By,
        examples: &Examples,
        column: Option<&Column>,
        seed: u64,
    ) -> Result<Vec<Split>, StepError> {
        let parts = match self.holdout {
            Some(_) => 1,
            None => self.folds.unwrap_or(5) as usize,
        };
        let rows = examples.count();
        let splits = match by {
            By::Random | By::Stratified => {
                let part = spread(examples, by, parts, self.holdout, seed);
                judged_in_turn(&part, parts)
            }
            By::Group => {
                let column = column.ok_or_else(|| needs_column("group"))?;
                let part = of_groups(&groups(column, examples)?, parts, self.holdout, seed)?;
                judged_in_turn(&part, parts)
            }
            By::Time => {
                let column = column.ok_or_else(|| needs_column("time"))?;
                forward(&moments(column, examples)?, parts, self.holdout)
            }
        };
        if splits
            .iter()
            .any(|split| split.train.is_empty() || split.valid.is_empty())
        {
            return Err(StepError::rejected(format!(
                "{rows} rows are too few for {}",
                match self.holdout {
                    Some(_) => "a holdout".to_owned(),
                    None => format!("{parts} folds"),
                }
            )));
        }
        Ok(splits)
    }
}

fn needs_column(by: &str) -> StepError {
    StepError::rejected(format!("`validation` by {by} needs a column"))
        .help("name it with `validation: {column: ...}`")
}

/// Places of rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Split {
    pub(super) train: Vec<usize>,
    pub(super) valid: Vec<usize>,
}

/// Part 0 up to `parts` − 1 is judged in turn; rows of no part are always learnt from.
fn judged_in_turn(part: &[Option<usize>], parts: usize) -> Vec<Split> {
    (0..parts)
        .map(|fold| {
            let (valid, train) = (0..part.len()).partition(|&row| part[row] == Some(fold));
            Split { train, valid }
        })
        .collect()
}

/// Parts by chance, within classes if stratified.
fn spread(examples: &Examples, by: By, parts: usize, holdout: Option<f64>, seed: u64) -> Vec<Option<usize>> {
    let mut order: Vec<usize> = (0..examples.count()).collect();
    Random::stream(seed, 0x5eed).shuffle(&mut order);
    if by == By::Stratified && examples.task != Task::Regression {
        order.sort_by(|&left, &right| examples.target[left].total_cmp(&examples.target[right]));
    }
    let mut part = vec![None; order.len()];
    for (nth, &row) in order.iter().enumerate() {
        part[row] = match holdout {
            None => Some(nth % parts),
            // Evenly along the order, so that each class gives its share.
            Some(share) => {
                let before = (nth as f64 * share).floor();
                (((nth + 1) as f64 * share).floor() > before).then_some(0)
            }
        };
    }
    part
}

fn of_groups(
    groups: &[String],
    parts: usize,
    holdout: Option<f64>,
    seed: u64,
) -> Result<Vec<Option<usize>>, StepError> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for group in groups {
        *sizes.entry(group).or_default() += 1;
    }
    let few = sizes.len() < parts.max(2);
    if few {
        return Err(StepError::rejected(format!(
            "{} groups are too few to be split",
            sizes.len()
        )));
    }
    let mut order: Vec<(&str, usize)> = sizes.into_iter().collect();
    let mut part_of: BTreeMap<&str, usize> = BTreeMap::new();
    match holdout {
        None => {
            // The largest first, each to the part that has the fewest rows yet.
            order.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
            let mut filled = vec![0; parts];
            for (group, size) in order {
                let least = (0..parts).min_by_key(|part| filled[*part]).unwrap_or(0);
                filled[least] += size;
                part_of.insert(group, least);
            }
        }
        Some(share) => {
            Random::stream(seed, 0x5eed).shuffle(&mut order);
            let wanted = share * groups.len() as f64;
            let mut taken = 0;
            let last = order.len() - 1;
            for (nth, (group, size)) in order.into_iter().enumerate() {
                if nth < last && (taken == 0 || (taken + size) as f64 <= wanted) {
                    taken += size;
                    part_of.insert(group, 0);
                }
            }
        }
    }
    Ok(groups
        .iter()
        .map(|group| part_of.get(group.as_str()).copied())
        .collect())
}

/// Windows that grow: each part is judged by a model of all that was before it (as scikit-learn's
/// `TimeSeriesSplit`). Rows of the same moment stay on one side.
fn forward(moments: &[f64], parts: usize, holdout: Option<f64>) -> Vec<Split> {
    let mut order: Vec<usize> = (0..moments.len()).collect();
    order.sort_by(|&left, &right| moments[left].total_cmp(&moments[right]));
    let count = order.len();
    let cut = |wanted: usize| {
        // Forward to where the next moment begins.
        let mut at = wanted.min(count);
        while at > 0 && at < count && moments[order[at]] == moments[order[at - 1]] {
            at += 1;
        }
        at
    };
    let pick = |from: usize, to: usize| {
        let mut rows = order[from.min(to)..to].to_vec();
        rows.sort_unstable();
        rows
    };
    if let Some(share) = holdout {
        let at = cut((count as f64 * (1.0 - share)).round() as usize);
        return vec![Split {
            train: pick(0, at),
            valid: pick(at, count),
        }];
    }
    let cuts: Vec<usize> = (1..=parts + 1)
        .map(|nth| cut(count * nth / (parts + 1)))
        .collect();
    cuts.windows(2)
        .map(|ends| Split {
            train: pick(0, ends[0]),
            valid: pick(ends[0], ends[1]),
        })
        .collect()
}

fn groups(column: &Column, examples: &Examples) -> Result<Vec<String>, StepError> {
    let texts = crate::train::rows::texts(column)?;
    examples
        .rows
        .iter()
        .map(|&row| texts[row].clone().ok_or_else(|| missing(column, row)))
        .collect()
}

fn missing(column: &Column, row: usize) -> StepError {
    StepError::rejected(format!(
        "column `{}` of row {} is missing, and rows are split by it",
        column.name(),
        row + 1
    ))
}

fn moments(column: &Column, examples: &Examples) -> Result<Vec<f64>, StepError> {
    let reading = |error| StepError::rejected(crate::fault::sentence(&error));
    if !(column.dtype().is_temporal() || column.dtype().is_primitive_numeric()) {
        return Err(StepError::rejected(format!(
            "column `{}` is {}, which has no before and after",
            column.name(),
            column.dtype()
        )));
    }
    let numbers = column
        .to_physical_repr()
        .cast(&DataType::Float64)
        .map_err(reading)?;
    let numbers = numbers.f64().map_err(reading)?;
    examples
        .rows
        .iter()
        .map(|&row| numbers.get(row).ok_or_else(|| missing(column, row)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::NamedFrom;
    use polars::prelude::Series;
    use trainyard_models::Frame;

    fn examples(target: Vec<f64>) -> Examples {
        Examples {
            frame: Frame::default(),
            rows: (0..target.len()).collect(),
            target,
            task: Task::Binary {
                negative: "n".into(),
                positive: "p".into(),
            },
            weights: None,
            unlabelled: 0,
        }
    }

    fn folds(count: u32) -> Validation {
        Validation {
            folds: Some(count),
            ..Validation::default()
        }
    }

    fn is_partition(splits: &[Split], rows: usize) -> bool {
        let mut judged: Vec<usize> = splits.iter().flat_map(|split| split.valid.clone()).collect();
        judged.sort_unstable();
        judged == (0..rows).collect::<Vec<_>>()
            && splits
                .iter()
                .all(|split| split.train.len() + split.valid.len() == rows)
    }

    #[test]
    fn stratified_folds_have_every_row_once_and_every_class_evenly() {
        let data = examples((0..103).map(|row| f64::from(u8::from(row % 10 == 0))).collect());
        let splits = folds(5).splits(By::Stratified, &data, None, 1).unwrap();
        assert!(is_partition(&splits, 103));
        for split in &splits {
            let positive = split.valid.iter().filter(|row| *row % 10 == 0).count();
            assert!((2..=3).contains(&positive), "{positive}");
        }
        assert_eq!(splits, folds(5).splits(By::Stratified, &data, None, 1).unwrap());
        assert_ne!(splits, folds(5).splits(By::Stratified, &data, None, 2).unwrap());
    }

    #[test]
    fn a_group_is_never_on_both_sides() {
        let data = examples(vec![0.0; 60]);
        let names: Vec<String> = (0..60).map(|row| format!("g{}", row * row % 11)).collect();
        let column = Column::from(Series::new("g".into(), names.clone()));
        let holdout = Validation {
            holdout: Some(0.25),
            ..Validation::default()
        };
        for splits in [
            folds(3).splits(By::Group, &data, Some(&column), 1).unwrap(),
            holdout.splits(By::Group, &data, Some(&column), 1).unwrap(),
        ] {
            for split in &splits {
                assert!(
                    split
                        .valid
                        .iter()
                        .all(|valid| split.train.iter().all(|train| names[*valid] != names[*train]))
                );
            }
        }
        assert!(folds(50).splits(By::Group, &data, Some(&column), 1).is_err());
    }

    #[test]
    fn trials_by_time_learn_from_the_past_alone() {
        let data = examples(vec![0.0; 60]);
        let times: Vec<i64> = (0..60).map(|row| (row * 7 % 60) / 2).collect();
        let column = Column::from(Series::new("at".into(), times.clone()));
        let splits = folds(4).splits(By::Time, &data, Some(&column), 1).unwrap();
        assert_eq!(splits.len(), 4);
        for split in &splits {
            let last = split.train.iter().map(|row| times[*row]).max();
            let first = split.valid.iter().map(|row| times[*row]).min();
            assert!(last < first);
        }
        let holdout = Validation {
            holdout: Some(0.25),
            ..Validation::default()
        };
        let split = &holdout.splits(By::Time, &data, Some(&column), 1).unwrap()[0];
        assert_eq!((split.train.len(), split.valid.len()), (46, 14));
    }

    #[test]
    fn a_holdout_has_its_share_of_every_class() {
        let data = examples((0..100).map(|row| f64::from(u8::from(row < 20))).collect());
        let holdout = Validation {
            holdout: Some(0.2),
            ..Validation::default()
        };
        let split = &holdout.splits(By::Stratified, &data, None, 3).unwrap()[0];
        assert_eq!(split.valid.len(), 20);
        assert_eq!(split.valid.iter().filter(|row| **row < 20).count(), 4);
    }
}
