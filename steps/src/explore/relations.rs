//! How strongly columns hang together, two by two.

use super::sample::Values;
use rayon::prelude::*;
use serde::Serialize;
use trainyard_models::statistics::{Contingency, Correlation, correlation_ratio, pearson, spearman};

/// Columns that are related to each other; the first ones of more.
pub(super) const MOST_COLUMNS: usize = 60;

/// A column in the sampled rows.
pub(super) struct Sampled {
    pub(super) name: String,
    pub(super) values: Values,
}

/// Two columns and how strongly they hang together.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Relation {
    pub(super) left: String,
    pub(super) right: String,
    /// `pearson` (−1 to 1), `cramers_v` with Bergsma's correction or `correlation_ratio` (0 to 1).
    pub(super) measure: &'static str,
    pub(super) strength: f64,
    /// Rows where both have a value.
    pub(super) rows: usize,
    /// 95 % interval by Fisher's z, for correlations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interval: Option<[f64; 2]>,
    /// Of the chi-squared test of independence, for categories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p_value: Option<f64>,
    /// For two columns of numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) spearman: Option<Spearman>,
}

/// Spearman's rank correlation.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Spearman {
    pub(super) value: f64,
    /// 95 % interval with the variance of Bonett and Wright.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interval: Option<[f64; 2]>,
}

impl Relation {
    /// The stronger of what is measured of it, without sign.
    pub(super) fn size(&self) -> f64 {
        let rank = self.spearman.as_ref().map_or(0.0, |found| found.value.abs());
        self.strength.abs().max(rank)
    }

    /// The relation of two columns over the rows where both have a value; `None` if one is constant there.
    pub(super) fn between(left: &Sampled, right: &Sampled) -> Option<Self> {
        let mut relation = Self {
            left: left.name.clone(),
            right: right.name.clone(),
            measure: "",
            strength: 0.0,
            rows: 0,
            interval: None,
            p_value: None,
            spearman: None,
        };
        match (&left.values, &right.values) {
            (Values::Numbers(x), Values::Numbers(y)) => {
                let found = pearson(x, y)?;
                relation.measure = "pearson";
                relation.strength = found.value;
                relation.rows = found.rows;
                relation.interval = limits(&found);
                relation.spearman = spearman(x, y).map(|found| Spearman {
                    value: found.value,
                    interval: limits(&found),
                });
            }
            (Values::Categories(a), Values::Categories(b)) => {
                let table = Contingency::of(&a.codes, a.names.len(), &b.codes, b.names.len());
                let found = table.test()?;
                relation.measure = "cramers_v";
                relation.strength = found.cramers_v;
                relation.rows = found.rows as usize;
                relation.p_value = Some(found.p_value);
            }
            (Values::Numbers(x), Values::Categories(c)) | (Values::Categories(c), Values::Numbers(x)) => {
                let found = correlation_ratio(x, &c.codes, c.names.len())?;
                relation.measure = "correlation_ratio";
                relation.strength = found.ratio;
                relation.rows = found.rows;
            }
        }
        Some(relation)
    }
}

fn limits(found: &Correlation) -> Option<[f64; 2]> {
    found.interval.map(|interval| [interval.low, interval.high])
}

/// All pairs, strongest first.
pub(super) fn pairs(columns: &[Sampled]) -> Vec<Relation> {
    let columns = &columns[..columns.len().min(MOST_COLUMNS)];
    let order: Vec<(usize, usize)> = (0..columns.len())
        .flat_map(|left| (left + 1..columns.len()).map(move |right| (left, right)))
        .collect();
    let mut relations: Vec<Relation> = order
        .par_iter()
        .filter_map(|(left, right)| Relation::between(&columns[*left], &columns[*right]))
        .collect();
    relations.sort_by(|a, b| {
        b.size()
            .total_cmp(&a.size())
            .then_with(|| (&a.left, &a.right).cmp(&(&b.left, &b.right)))
    });
    relations
}
