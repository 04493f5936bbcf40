//! SHAP values of any model, by asking it.
//!
//! Features outside a coalition have the values of background rows. With few features every coalition
//! is asked for; else features join in random orders, each order also backwards, which cancels most of
//! the error (Mitchell et al. 2022, as shap's permutation explainer). Either way the values of a row add
//! up to its prediction.

use super::explanation::Explanation;
use crate::error::ModelError;
use crate::frame::{Frame, FrameColumn, MISSING_CODE, Values};
use crate::model::Predictor;
use crate::predictions::Predictions;
use crate::random::Random;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Explains predictions of any model. `orders` random orders of features are tried, forwards and
/// backwards, unless asking for all coalitions costs no more: then the values are exact. Work grows with
/// rows × orders × features × background rows. The same seed gives the same values.
///
/// # Errors
/// What prediction reports; `NoRows` for no background, `Parameter` for no orders, `OtherPredictions` for
/// clusters.
pub fn explain_by_asking(
    model: &dyn Predictor,
    frame: &Frame,
    background: &Frame,
    orders: usize,
    seed: u64,
) -> Result<Explanation, ModelError> {
    if orders == 0 {
        return Err(ModelError::Parameter {
            name: "orders",
            value: "0".to_owned(),
            rule: "at least 1",
        });
    }
    if background.rows() == 0 {
        return Err(ModelError::NoRows {
            doing: "compare with",
        });
    }
    let names: Vec<String> = model
        .features()
        .iter()
        .map(|feature| feature.name.clone())
        .collect();
    let columns = names
        .iter()
        .map(|name| Pair::new(name, frame, background))
        .collect::<Result<Vec<Pair<'_>>, ModelError>>()?;
    let outputs = model.label().task.outputs();
    let plan = Plan::new(names.len(), orders, seed);
    let coalitions = plan.coalitions();
    let numbers_of = |frame: &Frame| -> Result<Vec<f64>, ModelError> {
        Ok(match model.predict(frame)? {
            Predictions::Numbers(numbers) => numbers,
            other => other.classes()?.values().to_vec(),
        })
    };
    // Of predictions for the background rows, once for each coalition.
    let means = |numbers: &[f64]| -> Vec<f64> {
        numbers
            .chunks(outputs * background.rows())
            .flat_map(|coalition| {
                (0..outputs).map(|output| {
                    coalition.iter().skip(output).step_by(outputs).sum::<f64>() / background.rows() as f64
                })
            })
            .collect()
    };
    let rows: Vec<Vec<f64>> = (0..frame.rows())
        .into_par_iter()
        .map(|row| {
            let mixed = columns.iter().enumerate().map(|(feature, pair)| {
                pair.mixed(row, coalitions.iter().map(|coalition| coalition[feature]))
            });
            let numbers = numbers_of(&Frame::new(mixed.collect())?)?;
            Ok(plan.values(&means(&numbers), outputs))
        })
        .collect::<Result<_, ModelError>>()?;
    Ok(Explanation {
        features: names,
        base: means(&numbers_of(background)?),
        rows: frame.rows(),
        values: rows.concat(),
    })
}

/// Which coalitions are asked for.
enum Plan {
    /// All of this many features, by their bits.
    All(usize),
    /// Features in random orders, joined one by one, and the empty coalition before them all.
    Orders(Vec<Vec<usize>>),
}

impl Plan {
    fn new(features: usize, orders: usize, seed: u64) -> Self {
        let sampled = 1 + 2 * orders.saturating_mul(features);
        if features < 20 && 1 << features <= sampled {
            return Self::All(features);
        }
        let both = (0..orders).flat_map(|nth| {
            let mut order: Vec<usize> = (0..features).collect();
            Random::stream(seed, nth as u64).shuffle(&mut order);
            let backwards = order.iter().rev().copied().collect();
            [order, backwards]
        });
        Self::Orders(both.collect())
    }

    /// The empty one first.
    fn coalitions(&self) -> Vec<Vec<bool>> {
        match self {
            Self::All(features) => (0..1usize << features)
                .map(|bits| (0..*features).map(|feature| bits >> feature & 1 == 1).collect())
                .collect(),
            Self::Orders(orders) => {
                let features = orders.first().map_or(0, Vec::len);
                let mut all = vec![vec![false; features]];
                for order in orders {
                    let mut joined = vec![false; features];
                    for &feature in order {
                        joined[feature] = true;
                        all.push(joined.clone());
                    }
                }
                all
            }
        }
    }

    /// Feature after feature, in it output after output, from the worths of the coalitions.
    fn values(&self, worths: &[f64], outputs: usize) -> Vec<f64> {
        match self {
            Self::All(features) => {
                let mut values = vec![0.0; features * outputs];
                // Share of a coalition by its size: (size)! (features − size − 1)! / features!.
                let mut shares = vec![1.0 / (*features).max(1) as f64; (*features).max(1)];
                for size in 1..*features {
                    shares[size] = shares[size - 1] * size as f64 / (features - size) as f64;
                }
                for coalition in 0..1usize << features {
                    for feature in (0..*features).filter(|feature| coalition >> feature & 1 == 0) {
                        let with = coalition | 1 << feature;
                        let share = shares[coalition.count_ones() as usize];
                        for output in 0..outputs {
                            values[feature * outputs + output] += share
                                * (worths[with * outputs + output] - worths[coalition * outputs + output]);
                        }
                    }
                }
                values
            }
            Self::Orders(orders) => {
                let features = orders.first().map_or(0, Vec::len);
                let mut values = vec![0.0; features * outputs];
                let mut at = 1;
                for order in orders {
                    let mut before = 0;
                    for &feature in order {
                        for output in 0..outputs {
                            values[feature * outputs + output] += (worths[at * outputs + output]
                                - worths[before * outputs + output])
                                / orders.len() as f64;
                        }
                        (before, at) = (at, at + 1);
                    }
                }
                values
            }
        }
    }
}

/// A feature's values in the rows explained and in the background, in the same codes.
enum Pair<'a> {
    Numeric(&'a str, &'a [f64], &'a [f64]),
    Categorical(&'a str, Vec<u32>, Vec<u32>, Vec<String>),
}

impl<'a> Pair<'a> {
    fn new(name: &'a str, frame: &'a Frame, background: &'a Frame) -> Result<Self, ModelError> {
        match (frame.column(name), background.column(name)) {
            (Some(Values::Numeric(own)), Some(Values::Numeric(other))) => Ok(Self::Numeric(name, own, other)),
            (
                Some(Values::Categorical { codes, dictionary }),
                Some(Values::Categorical {
                    codes: other_codes,
                    dictionary: other_dictionary,
                }),
            ) => {
                let both: BTreeSet<&String> = dictionary.iter().chain(other_dictionary).collect();
                let both: Vec<String> = both.into_iter().cloned().collect();
                let recoded = |codes: &[u32], dictionary: &[String]| -> Vec<u32> {
                    let code = |code: &u32| {
                        let text = dictionary.get(*code as usize);
                        text.and_then(|text| both.binary_search(text).ok())
                            .map_or(MISSING_CODE, |code| code as u32)
                    };
                    codes.iter().map(code).collect()
                };
                let (own, other) = (recoded(codes, dictionary), recoded(other_codes, other_dictionary));
                Ok(Self::Categorical(name, own, other, both))
            }
            (None, _) | (_, None) => Err(ModelError::MissingColumn {
                column: name.to_owned(),
            }),
            _ => Err(ModelError::ColumnType {
                column: name.to_owned(),
                expected: "of the same type in both tables",
                found: "numbers in one and categories in the other",
            }),
        }
    }

    /// The background once for each coalition, with the row's value where the feature is part of it.
    fn mixed(&self, row: usize, joined: impl Iterator<Item = bool>) -> FrameColumn {
        fn fill<T: Copy>(own: T, other: &[T], joined: impl Iterator<Item = bool>) -> Vec<T> {
            let block = |joined| other.iter().map(move |other| if joined { own } else { *other });
            joined.flat_map(block).collect()
        }
        match self {
            Self::Numeric(name, own, other) => FrameColumn {
                name: (*name).to_owned(),
                values: Values::Numeric(fill(own[row], other, joined)),
            },
            Self::Categorical(name, own, other, dictionary) => FrameColumn {
                name: (*name).to_owned(),
                values: Values::Categorical {
                    codes: fill(own[row], other, joined),
                    dictionary: dictionary.clone(),
                },
            },
        }
    }
}
