//! `split.random@v1`: rows go to parts by a seeded draw.

use super::{PARTS, Part, column, inferred, inputs, open, outputs, shares, write};
use crate::inference;
use crate::rule;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::step::{Effect, Runner, Signature};
use trainyard_contract::{InferRequest, Inference, Schema, Step, StepError, StepIo};

/// Parameters of `split.random@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Share of rows to train on, 0 to 1. Default: what is left; 0.7 if no share is given.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    train: Option<f64>,
    /// Share of rows to validate on, 0 to 1. Default: what is left; 0.15 if no share is given.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    valid: Option<f64>,
    /// Share of rows to test on, 0 to 1. Default: what is left; 0.15 if no share is given.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    test: Option<f64>,
    /// Column whose values are spread over the parts in equal shares, such as the label. Default: none.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    stratify: Option<String>,
    /// Seed of the draw. Default: 0.
    #[serde(default)]
    seed: u64,
}

pub(crate) struct SplitRandom;

impl Step for SplitRandom {
    fn uses(&self) -> &'static str {
        "split.random@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Splits rows by a seeded draw, on request with equal shares of a column's values.",
            inputs: inputs(),
            outputs: outputs(),
            params: schemars::schema_for!(Params).to_value(),
            revision: 1,
            effect: Effect::None,
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        let params: Params = match inference::parameters(request) {
            Ok(params) => params,
            Err(answer) => return answer,
        };
        let mut findings = Vec::new();
        if let Err(message) = shares(params.train, params.valid, params.test) {
            findings.push(Finding::error("S01", Path::root().key("with"), message));
        }
        let schema = inference::table(request, "table");
        if let Some(schema) = schema {
            if let Some(name) = &params.stratify {
                findings.extend(column(schema, name, inference::with("stratify")).err());
            }
            findings.extend(blind(schema));
        }
        let mut answer = inferred(request, schema, findings);
        answer
            .uses
            .entry("table".to_owned())
            .or_default()
            .extend(params.stratify);
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let shares = shares(params.train, params.valid, params.test).map_err(StepError::rejected)?;
        let (table, frame) = open(io)?;
        let strata: Vec<String> = match &params.stratify {
            None => Vec::new(),
            Some(name) => {
                let found = column(&table.schema, name, inference::with("stratify"))
                    .and_then(|_| {
                        frame
                            .column(name)
                            .map_err(|error| Finding::error("D01", Path::root(), error.to_string()))
                    })
                    .map_err(|finding| StepError::rejected(finding.message))?;
                let series = found.as_materialized_series();
                (0..series.len())
                    .map(|row| rule::shown(series, row).unwrap_or_default())
                    .collect()
            }
        };
        let parts = drawn(frame.height(), &strata, shares, params.seed);
        write(io, &table.schema, &frame, &parts)
    }
}

/// M05: a draw over rows that have a time trains on the future of its test rows.
fn blind(schema: &Schema) -> Option<Finding> {
    let event_time = schema.event_time.as_ref()?;
    let message = format!(
        "a random split of rows with an event time (`{event_time}`) trains on rows later than those it tests on"
    );
    Some(
        Finding::warning("M05", Path::root().key("inputs").key("table"), message)
            .help("use `split.time@v1`; if the order of time does not matter here, say so with `# check: ignore=M05 reason`"),
    )
}

/// Each row's part. Within each stratum the parts get their shares as exactly as whole rows allow.
fn drawn(rows: usize, strata: &[String], shares: [f64; 3], seed: u64) -> Vec<Option<Part>> {
    let mut by_stratum: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for row in 0..rows {
        by_stratum
            .entry(strata.get(row).map_or("", String::as_str))
            .or_default()
            .push(row);
    }
    let mut draw = Draw(seed);
    let mut parts = vec![None; rows];
    for members in by_stratum.values_mut() {
        // Fisher–Yates.
        for last in (1..members.len()).rev() {
            members.swap(last, draw.below(last + 1));
        }
        let mut from = 0;
        let mut share = 0.0;
        for part in PARTS {
            share += shares[part as usize];
            let to = if part == Part::Test {
                members.len()
            } else {
                (share * members.len() as f64).round() as usize
            };
            for row in &members[from..to.clamp(from, members.len())] {
                parts[*row] = Some(part);
            }
            from = to.clamp(from, members.len());
        }
    }
    parts
}

/// SplitMix64 (Steele, Lea, Flood 2014): its whole state is the seed, and it never changes.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draw_gives_the_published_numbers() {
        // First outputs of splitmix64 for seed 1234567, from Rosetta Code's reference values.
        let mut draw = Draw(1_234_567);
        assert_eq!(
            [draw.next(), draw.next(), draw.next()],
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn each_stratum_is_spread_in_the_same_shares() {
        let strata: Vec<String> = (0..100)
            .map(|row| if row % 5 == 0 { "yes" } else { "no" }.to_owned())
            .collect();
        let parts = drawn(100, &strata, [0.6, 0.2, 0.2], 7);
        let count = |part, value: &str| {
            parts
                .iter()
                .zip(&strata)
                .filter(|(p, s)| **p == Some(part) && s.as_str() == value)
                .count()
        };
        assert_eq!(
            [
                count(Part::Train, "yes"),
                count(Part::Valid, "yes"),
                count(Part::Test, "yes")
            ],
            [12, 4, 4]
        );
        assert_eq!(
            [
                count(Part::Train, "no"),
                count(Part::Valid, "no"),
                count(Part::Test, "no")
            ],
            [48, 16, 16]
        );
    }

    #[test]
    fn a_seed_gives_its_own_split_and_always_the_same() {
        let split = |seed| drawn(50, &[], [0.5, 0.25, 0.25], seed);
        assert_eq!(split(1), split(1));
        assert_ne!(split(1), split(2));
    }
}
