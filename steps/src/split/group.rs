//! `split.group@v1`: rows that share a group go to one part together.

use super::{PARTS, Part, column, inferred, inputs, open, outputs, shares, write};
use crate::inference;
use crate::rule;
use polars::prelude::DataFrame;
use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::step::{Effect, Runner, Signature};
use trainyard_contract::{ContentHash, InferRequest, Inference, Step, StepError, StepIo};

/// Parameters of `split.group@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Columns that together name a group, such as the customer.
    #[schemars(extend("x-kind" = "columns"))]
    group: Vec<String>,
    /// Share of groups to train on, 0 to 1. Default: what is left; 0.7 if no share is given.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    train: Option<f64>,
    /// Share of groups to validate on, 0 to 1. Default: what is left; 0.15 if no share is given.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    valid: Option<f64>,
    /// Share of groups to test on, 0 to 1. Default: what is left; 0.15 if no share is given.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    test: Option<f64>,
    /// Seed of the draw. A group's part depends on seed and group alone, so more rows never move it.
    /// Default: 0.
    #[serde(default)]
    seed: u64,
}

pub(crate) struct SplitGroup;

impl Step for SplitGroup {
    fn uses(&self) -> &'static str {
        "split.group@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Splits rows so that each group is in one part only.",
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
        if params.group.is_empty() {
            findings.push(Finding::error(
                "S01",
                inference::with("group"),
                "no column names a group",
            ));
        }
        let schema = inference::table(request, "table");
        if let Some(schema) = schema {
            for (at, name) in params.group.iter().enumerate() {
                findings.extend(column(schema, name, inference::with("group").index(at)).err());
            }
        }
        let mut answer = inferred(request, schema, findings);
        answer
            .uses
            .entry("table".to_owned())
            .or_default()
            .extend(params.group);
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let shares = shares(params.train, params.valid, params.test).map_err(StepError::rejected)?;
        let (table, frame) = open(io)?;
        for name in &params.group {
            column(&table.schema, name, inference::with("group"))
                .map_err(|finding| StepError::rejected(finding.message))?;
        }
        let parts = assigned(&frame, &params.group, shares, params.seed)?;
        write(io, &table.schema, &frame, &parts)
    }
}

fn assigned(
    frame: &DataFrame,
    group: &[String],
    shares: [f64; 3],
    seed: u64,
) -> Result<Vec<Option<Part>>, StepError> {
    let columns = group
        .iter()
        .map(|name| {
            frame
                .column(name)
                .map(|column| column.as_materialized_series().clone())
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| StepError::internal(error.to_string()))?;
    let mut key = Vec::new();
    Ok((0..frame.height())
        .map(|row| {
            key.clear();
            key.extend_from_slice(&seed.to_le_bytes());
            for series in &columns {
                // A length before each value keeps ("a", "bc") and ("ab", "c") apart; a missing value is no text.
                match rule::shown(series, row) {
                    Some(value) => {
                        key.extend_from_slice(&(value.len() as u64).to_le_bytes());
                        key.extend_from_slice(value.as_bytes());
                    }
                    None => key.extend_from_slice(&u64::MAX.to_le_bytes()),
                }
            }
            let hash = ContentHash::of(&key);
            let mut first = [0u8; 8];
            first.copy_from_slice(&hash.as_bytes()[..8]);
            // 53 bits are exact in a double.
            let place = (u64::from_le_bytes(first) >> 11) as f64 / (1u64 << 53) as f64;
            let mut bound = 0.0;
            PARTS
                .into_iter()
                .find(|part| {
                    bound += shares[*part as usize];
                    place < bound
                })
                .or(Some(Part::Test))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    #[test]
    fn a_group_is_in_one_part_and_stays_there_when_rows_are_added() {
        let names: Vec<String> = (0..300).map(|row| format!("g{}", row % 60)).collect();
        let frame = df!("g" => names.clone()).unwrap();
        let parts = assigned(&frame, &["g".to_owned()], [0.6, 0.2, 0.2], 3).unwrap();
        for (row, part) in parts.iter().enumerate() {
            assert_eq!(*part, parts[row % 60]);
        }
        for wanted in PARTS {
            assert!(parts.contains(&Some(wanted)));
        }
        let fewer = assigned(&frame.head(Some(10)), &["g".to_owned()], [0.6, 0.2, 0.2], 3).unwrap();
        assert_eq!(fewer, parts[..10]);
    }
}
