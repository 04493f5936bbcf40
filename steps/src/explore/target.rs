//! How each column bears on the target, one at a time.

use super::column::number;
use super::relations::{Relation, Sampled};
use super::sample::Values;
use serde::Serialize;
use trainyard_models::metrics::{normal_quantile, wilson_interval};
use trainyard_models::statistics::{QuantileBins, information_value, moments, ranks};

/// Bins of a number.
const BINS: usize = 10;
/// Different whole numbers up to which a target is taken for classes.
const FEW: usize = 10;

/// The target and what bears on it.
#[derive(Debug, Serialize)]
pub(super) struct Target {
    pub(super) column: String,
    pub(super) kind: Kind,
    /// Sampled rows that have a target.
    pub(super) rows: usize,
    /// For two classes: the one whose share is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) positive: Option<String>,
    /// For classes: share of rows of each, most frequent first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) classes: Vec<Class>,
    /// Strongest first.
    pub(super) columns: Vec<Bearing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    TwoClasses,
    Classes,
    Number,
}

/// A class of the target.
#[derive(Debug, Serialize)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) rows: usize,
    pub(super) share: f64,
}

/// What one column says about the target.
#[derive(Debug, Serialize)]
pub(super) struct Bearing {
    pub(super) column: String,
    #[serde(flatten)]
    pub(super) relation: Relation,
    /// For two classes: Siddiqi's information value over the bins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) information_value: Option<f64>,
    /// How well the column alone tells the target, in these rows: for two classes the area under the ROC
    /// curve of the bins' shares, else the share of the target's variance between the bins (R²).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alone: Option<f64>,
    /// 95 % interval of the area by Hanley and McNeil (1982).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alone_interval: Option<[f64; 2]>,
    /// The target by ranges or values of the column, missing values last.
    pub(super) bins: Vec<Bin>,
}

/// Rows of a range or value, and the target in them.
#[derive(Debug, Serialize)]
pub(super) struct Bin {
    pub(super) name: String,
    pub(super) rows: usize,
    /// Share of the positive class, with Wilson's 95 % interval; or the mean, with the normal one.
    pub(super) target: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    #[serde(skip)]
    positives: u64,
}

impl Target {
    /// The target among the sampled columns; `None` if it cannot be one: constant, or of a type that is
    /// neither number nor category.
    pub(super) fn of(columns: &[Sampled], name: &str) -> Option<Self> {
        let target = columns.iter().find(|column| column.name == name)?;
        let (kind, values, classes) = answers(&target.values)?;
        let rows = values.iter().filter(|value| !value.is_nan()).count();
        let positive = (kind == Kind::TwoClasses)
            .then(|| classes.last().cloned())
            .flatten();
        // A number with two values is related as the classes it stands for.
        let as_classes = Sampled {
            name: name.to_owned(),
            values: if kind == Kind::Number {
                target.values.clone()
            } else {
                coded(&values, &classes)
            },
        };
        let others = columns.iter().filter(|column| column.name != name);
        let mut bearings: Vec<Bearing> = others
            .filter_map(|column| {
                Some(Bearing::of(
                    column,
                    Relation::between(column, &as_classes)?,
                    kind,
                    &values,
                ))
            })
            .collect();
        bearings.sort_by(|a, b| {
            let size = |bearing: &Bearing| bearing.alone.unwrap_or_else(|| bearing.relation.size());
            size(b).total_cmp(&size(a)).then_with(|| a.column.cmp(&b.column))
        });
        let mut shares: Vec<Class> = classes
            .iter()
            .enumerate()
            .map(|(code, name)| {
                let of_class = values.iter().filter(|value| **value == code as f64).count();
                Class {
                    name: name.clone(),
                    rows: of_class,
                    share: of_class as f64 / rows as f64,
                }
            })
            .collect();
        shares.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.name.cmp(&b.name)));
        Some(Self {
            column: name.to_owned(),
            kind,
            rows,
            positive,
            classes: shares,
            columns: bearings,
        })
    }
}

/// What kind of target these values are, each row's answer (class number or value, NaN if missing), and
/// the names of the classes in order.
fn answers(values: &Values) -> Option<(Kind, Vec<f64>, Vec<String>)> {
    match values {
        Values::Categories(categories) => {
            let mut names = categories.names.clone();
            names.sort();
            let place: Vec<f64> = categories
                .names
                .iter()
                .map(|name| names.iter().position(|other| other == name).unwrap_or(0) as f64)
                .collect();
            let answers = categories
                .codes
                .iter()
                .map(|code| code.map_or(f64::NAN, |code| place[code as usize]));
            let kind = match names.len() {
                0 | 1 => return None,
                2 => Kind::TwoClasses,
                _ => Kind::Classes,
            };
            Some((kind, answers.collect(), names))
        }
        Values::Numbers(numbers) => {
            let mut different: Vec<f64> = numbers
                .iter()
                .copied()
                .filter(|number| !number.is_nan())
                .collect();
            different.sort_unstable_by(f64::total_cmp);
            different.dedup();
            if different.len() < 2 {
                return None;
            }
            let whole = different.iter().all(|number| number.fract() == 0.0);
            if different.len() > 2 && (different.len() > FEW || !whole) {
                return Some((Kind::Number, numbers.clone(), Vec::new()));
            }
            let code = |number: &f64| {
                if number.is_nan() {
                    f64::NAN
                } else {
                    different.partition_point(|other| other < number) as f64
                }
            };
            let kind = if different.len() == 2 {
                Kind::TwoClasses
            } else {
                Kind::Classes
            };
            let names = different.iter().map(|value| number(*value)).collect();
            Some((kind, numbers.iter().map(code).collect(), names))
        }
    }
}

fn coded(values: &[f64], classes: &[String]) -> Values {
    Values::Categories(super::sample::Categories {
        codes: values
            .iter()
            .map(|value| (!value.is_nan()).then_some(*value as u32))
            .collect(),
        names: classes.to_vec(),
    })
}

impl Bearing {
    fn of(column: &Sampled, relation: Relation, kind: Kind, answers: &[f64]) -> Self {
        let mut bearing = Self {
            column: column.name.clone(),
            relation,
            information_value: None,
            alone: None,
            alone_interval: None,
            bins: Vec::new(),
        };
        if kind == Kind::Classes {
            return bearing;
        }
        let (places, names) = binned(&column.values);
        let mut members: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
        for (place, answer) in places.iter().zip(answers) {
            if !answer.is_nan() {
                members[*place].push(*answer);
            }
        }
        for (name, members) in names.into_iter().zip(&members) {
            let Some(found) = moments(members) else { continue };
            let positives = members.iter().filter(|answer| **answer == 1.0).count() as u64;
            let interval = if kind == Kind::TwoClasses {
                Some(wilson_interval(positives, members.len() as u64))
            } else {
                found.mean_interval()
            };
            let (low, high) =
                interval.map_or((found.mean, found.mean), |interval| (interval.low, interval.high));
            bearing.bins.push(Bin {
                name,
                rows: members.len(),
                target: found.mean,
                low,
                high,
                positives,
            });
        }
        if kind == Kind::TwoClasses {
            let yes: Vec<u64> = bearing.bins.iter().map(|bin| bin.positives).collect();
            let no: Vec<u64> = bearing
                .bins
                .iter()
                .map(|bin| bin.rows as u64 - bin.positives)
                .collect();
            bearing.information_value = information_value(&yes, &no);
            bearing.alone = area(&bearing.bins);
            let counts = [yes.iter().sum::<u64>(), no.iter().sum::<u64>()];
            bearing.alone_interval = bearing.alone.map(|area| area_interval(area, counts));
        } else {
            bearing.alone = explained(&bearing.bins, answers);
        }
        bearing
    }
}

/// Each row's bin, and the bins' names: about tenths of a number's values, each category; missing last.
fn binned(values: &Values) -> (Vec<usize>, Vec<String>) {
    match values {
        Values::Categories(categories) => {
            let missing = categories.names.len();
            let places = categories
                .codes
                .iter()
                .map(|code| code.map_or(missing, |code| code as usize));
            let mut names = categories.names.clone();
            names.push("missing".to_owned());
            (places.collect(), names)
        }
        Values::Numbers(numbers) => {
            let mut sorted: Vec<f64> = numbers
                .iter()
                .copied()
                .filter(|number| !number.is_nan())
                .collect();
            sorted.sort_unstable_by(f64::total_cmp);
            let bins = QuantileBins::of(&sorted, BINS);
            let places = numbers.iter().map(|value| {
                if value.is_nan() {
                    bins.len()
                } else {
                    bins.bin(*value)
                }
            });
            let places = places.collect();
            let mut names = match bins.edges.first() {
                Some(least) => vec![format!("≤ {}", number(*least))],
                None => vec!["all".to_owned()],
            };
            let between = bins.edges.windows(2);
            names.extend(between.map(|edges| format!("{} – {}", number(edges[0]), number(edges[1]))));
            names.extend(
                bins.edges
                    .last()
                    .map(|greatest| format!("> {}", number(*greatest))),
            );
            names.push("missing".to_owned());
            (places, names)
        }
    }
}

/// Area under the ROC curve when rows are ranked by their bin's share of positives.
fn area(bins: &[Bin]) -> Option<f64> {
    let positives: u64 = bins.iter().map(|bin| bin.positives).sum();
    let negatives: u64 = bins.iter().map(|bin| bin.rows as u64 - bin.positives).sum();
    if positives == 0 || negatives == 0 {
        return None;
    }
    let shares: Vec<f64> = bins.iter().map(|bin| bin.target).collect();
    let order = ranks(&shares);
    let mut wins = 0.0;
    for (bin, rank) in bins.iter().zip(&order) {
        for (other, other_rank) in bins.iter().zip(&order) {
            let pairs = bin.positives as f64 * (other.rows as u64 - other.positives) as f64;
            wins += match rank.total_cmp(other_rank) {
                std::cmp::Ordering::Greater => pairs,
                std::cmp::Ordering::Equal => pairs / 2.0,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    Some(wins / (positives as f64 * negatives as f64))
}

/// `A ± 1.96 √((A (1 − A) + (n₁ − 1)(Q₁ − A²) + (n₂ − 1)(Q₂ − A²)) / (n₁ n₂))` with Q₁ = A / (2 − A) and
/// Q₂ = 2 A² / (1 + A), kept within 0 and 1.
fn area_interval(area: f64, [positives, negatives]: [u64; 2]) -> [f64; 2] {
    let (n, m) = (positives as f64, negatives as f64);
    let square = area * area;
    let first = (n - 1.0) * (area / (2.0 - area) - square);
    let second = (m - 1.0) * (2.0 * square / (1.0 + area) - square);
    let half = normal_quantile(0.975) * ((area * (1.0 - area) + first + second) / (n * m)).max(0.0).sqrt();
    [(area - half).max(0.0), (area + half).min(1.0)]
}

/// Share of the variance of the answers that lies between the bins.
fn explained(bins: &[Bin], answers: &[f64]) -> Option<f64> {
    let there: Vec<f64> = answers
        .iter()
        .copied()
        .filter(|answer| !answer.is_nan())
        .collect();
    let all = moments(&there)?;
    let variance = all.deviation.filter(|deviation| *deviation > 0.0)?.powi(2) * (all.count as f64 - 1.0);
    let between: f64 = bins
        .iter()
        .map(|bin| bin.rows as f64 * (bin.target - all.mean).powi(2))
        .sum();
    Some((between / variance).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::sample::Categories;

    fn texts(name: &str, values: &[&str]) -> Sampled {
        Sampled {
            name: name.to_owned(),
            values: Values::Categories(Categories::of(
                &values.iter().map(|value| Some(*value)).collect::<Vec<_>>(),
            )),
        }
    }

    #[test]
    fn shares_intervals_and_information_of_a_table_worked_by_hand() {
        let who = texts("who", &["a", "a", "a", "a", "b", "b", "b", "b"]);
        let answer = texts("answer", &["no", "no", "no", "yes", "no", "yes", "yes", "yes"]);
        let target = Target::of(&[who, answer], "answer").unwrap();
        assert_eq!((target.positive.as_deref(), target.rows), (Some("yes"), 8));
        let found = &target.columns[0];
        assert_eq!(
            found
                .bins
                .iter()
                .map(|bin| (bin.rows, bin.target))
                .collect::<Vec<_>>(),
            [(4, 0.25), (4, 0.75)]
        );
        // Yes: 1/4 and 3/4; no: 3/4 and 1/4: (1/4 − 3/4) ln(1/3) + (3/4 − 1/4) ln 3 = ln 3.
        assert!((found.information_value.unwrap() - 3f64.ln()).abs() < 1e-12);
        // Of 16 pairs 9 are won and 6 are tied.
        assert_eq!(found.alone, Some(12.0 / 16.0));
        // Wilson for 1 of 4: 0.0456 to 0.6994.
        assert!((found.bins[0].low - 0.0456).abs() < 1e-4 && (found.bins[0].high - 0.6994).abs() < 1e-4);
    }

    #[test]
    fn the_interval_of_an_area_is_hanley_and_mcneils() {
        // Their example (1982): 0.893 of 51 abnormal and 58 normal cases. By hand Q₁ = 0.806685, Q₂ = 0.842525,
        // so that the standard error is √(3.12664 / 2958) = 0.032512.
        let [low, high] = area_interval(0.893, [51, 58]);
        assert!(
            ((high - low) / 2.0 / 1.959_964 - 0.032_512).abs() < 1e-5,
            "{low} {high}"
        );
    }

    #[test]
    fn missing_values_are_a_bin_of_their_own() {
        let x = Sampled {
            name: "x".into(),
            values: Values::Numbers(vec![1.0, 2.0, f64::NAN, f64::NAN]),
        };
        let answer = texts("answer", &["no", "yes", "no", "yes"]);
        let target = Target::of(&[x, answer], "answer").unwrap();
        let last = target.columns[0].bins.last().unwrap();
        assert_eq!((last.name.as_str(), last.rows, last.target), ("missing", 2, 0.5));
    }

    #[test]
    fn a_number_is_explained_by_the_means_of_its_bins() {
        let y = Sampled {
            name: "y".into(),
            values: Values::Numbers(vec![1.5, 3.0, 5.0, 7.0]),
        };
        let group = texts("g", &["a", "a", "b", "b"]);
        let target = Target::of(&[y, group], "y").unwrap();
        assert_eq!(target.kind, Kind::Number);
        // Means 2.25 and 6, overall 4.125: 14.0625 of 17.1875 lies between.
        assert!((target.columns[0].alone.unwrap() - 14.0625 / 17.1875).abs() < 1e-12);
    }
}
