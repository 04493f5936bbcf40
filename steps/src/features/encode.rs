//! Categories as numbers: means of the label, shares of rows, places in order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How categories become numbers: a method by its name, or with settings.
#[derive(Clone, Deserialize, JsonSchema, PartialEq)]
#[serde(untagged)]
pub(crate) enum Encoding {
    Named(EncodingMethod),
    Set(EncodingSettings),
}

/// How categories become numbers. A missing value is a category of its own.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EncodingMethod {
    /// The label's mean among rows of the category (Micci-Barreca, 2001).
    Target,
    /// The category's share of rows; 0 for one never seen.
    Frequency,
    /// The category's place in alphabetical order, from 0; -1 for one never seen.
    Ordinal,
}

/// An encoding with its settings.
#[derive(Clone, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct EncodingSettings {
    /// How categories become numbers.
    pub(super) method: EncodingMethod,
    /// Of `target`: so many rows with the overall mean are added to each category, so that rare ones say
    /// little. Default: 10.
    #[serde(default = "smoothing")]
    #[schemars(range(min = 0.0))]
    smoothing: f64,
    /// Of `target`: each row's value is taken from the rows of the other folds, never from its own
    /// label. 0 takes it from all rows. Default: 5.
    #[serde(default = "folds")]
    #[schemars(range(max = 1000))]
    pub(super) folds: u32,
}

fn smoothing() -> f64 {
    10.0
}

fn folds() -> u32 {
    5
}

impl Encoding {
    pub(super) fn settings(&self) -> EncodingSettings {
        match self {
            Self::Set(settings) => settings.clone(),
            Self::Named(method) => EncodingSettings {
                method: *method,
                smoothing: smoothing(),
                folds: folds(),
            },
        }
    }
}

/// Numbers of categories.
#[derive(Debug, Deserialize, Serialize, PartialEq)]
pub(super) struct Categories {
    values: BTreeMap<String, f64>,
    /// Of missing values, if there were any.
    missing: Option<f64>,
    /// Of categories that were never seen.
    unseen: f64,
}

impl Categories {
    pub(super) fn of(&self, category: Option<&str>) -> f64 {
        match category {
            Some(category) => self.values.get(category).copied(),
            None => self.missing,
        }
        .unwrap_or(self.unseen)
    }
}

/// Sum of labels and number of rows, by category.
#[derive(Default)]
struct Sums<'a> {
    of: BTreeMap<Option<&'a str>, (f64, f64)>,
    all: (f64, f64),
}

impl<'a> Sums<'a> {
    fn over(rows: impl Iterator<Item = (Option<&'a str>, f64)>) -> Self {
        let mut sums = Self::default();
        for (category, label) in rows {
            let sum = sums.of.entry(category).or_default();
            *sum = (sum.0 + label, sum.1 + 1.0);
            sums.all = (sums.all.0 + label, sums.all.1 + 1.0);
        }
        sums
    }

    /// The mean over all rows but those of `without`, if there are others.
    fn prior(&self, without: (f64, f64)) -> Option<f64> {
        let count = self.all.1 - without.1;
        (count > 0.0).then(|| (self.all.0 - without.0) / count)
    }
}

fn smoothed((sum, count): (f64, f64), prior: f64, smoothing: f64) -> f64 {
    if count + smoothing > 0.0 {
        (sum + smoothing * prior) / (count + smoothing)
    } else {
        prior
    }
}

/// The numbers of all categories of the rows that are fitted on.
pub(super) fn encoded(
    settings: &EncodingSettings,
    values: &[Option<String>],
    labels: Option<&[Option<f64>]>,
    rows: &[bool],
) -> Categories {
    let chosen = || {
        let all = values.iter().zip(rows).enumerate();
        all.filter(|(_, (_, chosen))| **chosen)
            .map(|(row, (value, _))| (row, value.as_deref()))
    };
    let label = |row: usize| labels.and_then(|labels| labels.get(row).copied().flatten());
    let mut known = Categories {
        values: BTreeMap::new(),
        missing: None,
        unseen: 0.0,
    };
    let numbers: BTreeMap<Option<&str>, f64> = match settings.method {
        EncodingMethod::Target => {
            let sums = Sums::over(chosen().filter_map(|(row, value)| Some((value, label(row)?))));
            let prior = sums.prior((0.0, 0.0)).unwrap_or(0.0);
            known.unseen = prior;
            sums.of
                .iter()
                .map(|(value, sum)| (*value, smoothed(*sum, prior, settings.smoothing)))
                .collect()
        }
        EncodingMethod::Frequency => {
            let sums = Sums::over(chosen().map(|(_, value)| (value, 0.0)));
            let all = sums.all.1.max(1.0);
            sums.of
                .iter()
                .map(|(value, (_, count))| (*value, count / all))
                .collect()
        }
        EncodingMethod::Ordinal => {
            known.unseen = -1.0;
            let sums = Sums::over(chosen().map(|(_, value)| (value, 0.0)));
            sums.of
                .keys()
                .enumerate()
                .map(|(place, value)| (*value, place as f64))
                .collect()
        }
    };
    for (value, number) in numbers {
        match value {
            Some(value) => {
                known.values.insert(value.to_owned(), number);
            }
            None => known.missing = Some(number),
        }
    }
    known
}

/// Target means of fitted rows from the other folds; of other rows from all that were fitted on. A row's
/// fold depends on its place alone.
pub(super) fn out_of_fold(
    settings: &EncodingSettings,
    known: &Categories,
    values: &[Option<String>],
    labels: &[Option<f64>],
    rows: &[bool],
) -> Vec<f64> {
    let folds = u64::from(settings.folds);
    let fold = |row: usize| splitmix(row as u64) % folds;
    let fitted = || {
        let all = values.iter().zip(labels).zip(rows).enumerate();
        all.filter(|(_, (_, chosen))| **chosen)
            .filter_map(|(row, ((value, label), _))| Some((row, value.as_deref(), (*label)?)))
    };
    let all = Sums::over(fitted().map(|(_, value, label)| (value, label)));
    let own: Vec<Sums<'_>> = (0..folds)
        .map(|number| {
            Sums::over(
                fitted()
                    .filter(|(row, ..)| fold(*row) == number)
                    .map(|(_, value, label)| (value, label)),
            )
        })
        .collect();
    let out = |row: usize, value: Option<&str>| {
        let Some(own) = usize::try_from(fold(row)).ok().and_then(|fold| own.get(fold)) else {
            return known.of(value);
        };
        let prior = all.prior(own.all).unwrap_or(known.unseen);
        let of = |sums: &Sums<'_>| sums.of.get(&value).copied().unwrap_or_default();
        let (every, inside) = (of(&all), of(own));
        smoothed(
            (every.0 - inside.0, every.1 - inside.1),
            prior,
            settings.smoothing,
        )
    };
    values
        .iter()
        .zip(rows)
        .enumerate()
        .map(|(row, (value, chosen))| {
            let value = value.as_deref();
            if *chosen { out(row, value) } else { known.of(value) }
        })
        .collect()
}

/// A number that looks random, of each number its own (Steele, Lea and Flood, 2014).
fn splitmix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
