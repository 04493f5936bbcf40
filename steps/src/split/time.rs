//! `split.time@v1`: the earliest rows train, the latest test.

use super::{Part, column, inferred, inputs, open, outputs, shares, write};
use crate::inference;
use jiff::civil;
use polars::prelude::{DataFrame, DataType as PolarsType, TimeUnit};
use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::finding::Finding;
use trainyard_contract::step::{Effect, Runner, Signature};
use trainyard_contract::{DataType, InferRequest, Inference, Millis, Schema, Step, StepError, StepIo};

/// Parameters of `split.time@v1`: shares of rows, or bounds.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Column of dates or timestamps to split by. Default: the table's event time.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    time_column: Option<String>,
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
    /// Rows before this date or time train: `2013-10-01` or `2013-10-01T00:00:00Z`. In place of shares.
    #[serde(default)]
    train_until: Option<String>,
    /// Rows from `train_until` to before this validate, later ones test. Default: no validation rows.
    #[serde(default)]
    valid_until: Option<String>,
    /// Time left out after the last row of a part, against overlap. Default: `0s`.
    #[serde(default)]
    #[schemars(extend("x-kind" = "duration"))]
    gap: Option<String>,
}

pub(crate) struct SplitTime;

/// What the parameters ask for.
#[derive(Debug, PartialEq)]
enum Cut {
    /// Shares of rows for the three parts.
    Shares([f64; 3]),
    /// Microseconds: rows before the first train, before the second validate.
    Bounds(i64, Option<i64>),
}

fn cut(params: &Params) -> Result<Cut, Finding> {
    let bound = |parameter: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => microseconds(text).map(Some).ok_or_else(|| {
            let message = format!("`{text}` is neither a date nor a time");
            Finding::error("S01", inference::with(parameter), message)
                .help("write `2013-10-01` or `2013-10-01T00:00:00Z`")
        }),
    };
    let train_until = bound("train_until", &params.train_until)?;
    let valid_until = bound("valid_until", &params.valid_until)?;
    let given = [
        ("train", params.train),
        ("valid", params.valid),
        ("test", params.test),
    ];
    match (train_until, valid_until) {
        (Some(first), second) => {
            if let Some((name, _)) = given.iter().find(|(_, share)| share.is_some()) {
                let message = "shares and bounds cannot be given together";
                return Err(
                    Finding::error("S01", inference::with(name), message).help("leave one of them out")
                );
            }
            if second.is_some_and(|second| second <= first) {
                let message = "`valid_until` is not after `train_until`";
                return Err(Finding::error("S01", inference::with("valid_until"), message));
            }
            Ok(Cut::Bounds(first, second))
        }
        (None, Some(_)) => {
            let message = "`valid_until` needs `train_until`";
            Err(Finding::error("S01", inference::with("valid_until"), message))
        }
        (None, None) => shares(params.train, params.valid, params.test)
            .map(Cut::Shares)
            .map_err(|message| {
                let blamed = given
                    .iter()
                    .find(|(_, share)| share.is_some())
                    .map_or("train", |(name, _)| name);
                Finding::error("S01", inference::with(blamed), message)
            }),
    }
}

/// Microseconds since 1970 of a date or time; without an offset it is UTC.
fn microseconds(text: &str) -> Option<i64> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_microsecond());
    }
    let clock = text
        .parse::<civil::DateTime>()
        .ok()
        .or_else(|| text.parse::<civil::Date>().ok().map(|date| date.at(0, 0, 0, 0)))?;
    Some(
        clock
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()?
            .timestamp()
            .as_microsecond(),
    )
}

fn gap(params: &Params) -> Result<Millis, Finding> {
    match &params.gap {
        None => Ok(Millis(0)),
        Some(text) => text
            .parse()
            .map_err(|message: String| Finding::error("S01", inference::with("gap"), message)),
    }
}

fn time_column(params: &Params, schema: &Schema) -> Result<String, Finding> {
    let path = inference::with("time_column");
    let Some(name) = params.time_column.clone().or_else(|| schema.event_time.clone()) else {
        let finding = Finding::error("D01", path, "nothing says which column is the time");
        return Err(finding.help("say `time_column: COLUMN`"));
    };
    let found = column(schema, &name, path.clone())?;
    if matches!(found.data_type, DataType::Date | DataType::Timestamp(..)) {
        return Ok(name);
    }
    let message = format!("`{name}` is of type {}, not a date or timestamp", found.data_type);
    Err(Finding::error("D01/wrong-column-type", path, message).at_word(name))
}

impl Step for SplitTime {
    fn uses(&self) -> &'static str {
        "split.time@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Splits rows by time: the earliest train, the latest test.",
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
        findings.extend(cut(&params).err());
        findings.extend(gap(&params).err());
        let schema = inference::table(request, "table");
        let time = schema.map(|schema| time_column(&params, schema));
        let mut used = None;
        match time {
            Some(Ok(name)) => used = Some(name),
            Some(Err(finding)) => findings.push(finding),
            None => {}
        }
        let mut answer = inferred(request, schema, findings);
        answer.uses.entry("table".to_owned()).or_default().extend(used);
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let wrong = |finding: Finding| StepError::rejected(finding.message);
        let (cut, gap) = (cut(&params).map_err(wrong)?, gap(&params).map_err(wrong)?);
        let (table, frame) = open(io)?;
        let name = time_column(&params, &table.schema).map_err(wrong)?;
        let times = times(&frame, &name)?;
        let missing = times.iter().filter(|time| time.is_none()).count();
        if missing > 0 {
            io.log(format!(
                "{} rows have no `{name}` and are left out",
                crate::table::grouped(missing as u64)
            ));
        }
        let gap = i64::try_from(gap.0).unwrap_or(i64::MAX).saturating_mul(1_000);
        let parts = match cut {
            Cut::Shares(shares) => by_shares(&times, shares, gap),
            Cut::Bounds(first, second) => by_bounds(&times, first, second, gap),
        };
        write(io, &table.schema, &frame, &parts)
    }
}

/// Microseconds since 1970 of each row.
fn times(frame: &DataFrame, name: &str) -> Result<Vec<Option<i64>>, StepError> {
    let internal = |error: polars::prelude::PolarsError| StepError::internal(error.to_string());
    let column = frame.column(name).map_err(internal)?;
    let zone = match column.dtype() {
        PolarsType::Datetime(_, zone) => zone.clone(),
        _ => None,
    };
    let stamps = column
        .cast(&PolarsType::Datetime(TimeUnit::Microseconds, zone))
        .and_then(|column| column.cast(&PolarsType::Int64))
        .map_err(internal)?;
    Ok(stamps.i64().map_err(internal)?.iter().collect())
}

/// Rows in the order of time go to the parts by their shares. A cut that would fall among rows of
/// one time moves up to the first of them, so that they stay together in the later part.
fn by_shares(times: &[Option<i64>], shares: [f64; 3], gap: i64) -> Vec<Option<Part>> {
    let mut sorted: Vec<i64> = times.iter().flatten().copied().collect();
    sorted.sort_unstable();
    let at = |share: f64| {
        let place = (share * sorted.len() as f64 + 1e-9).floor() as usize;
        sorted.get(place).copied().unwrap_or(i64::MAX)
    };
    let first = at(shares[0]);
    let second = at(shares[0] + shares[1]);
    let (valid, test) = (shares[1] > 0.0, shares[2] > 0.0);
    times
        .iter()
        .map(|time| {
            let time = (*time)?;
            if time < first || (!valid && !test) {
                return Some(Part::Train);
            }
            if valid && (time < second || !test) {
                return (time >= first.saturating_add(gap)).then_some(Part::Valid);
            }
            (time >= second.saturating_add(gap)).then_some(Part::Test)
        })
        .collect()
}

fn by_bounds(times: &[Option<i64>], first: i64, second: Option<i64>, gap: i64) -> Vec<Option<Part>> {
    times
        .iter()
        .map(|time| {
            let time = (*time)?;
            if time < first {
                return Some(Part::Train);
            }
            match second {
                Some(second) if time < second => (time >= first.saturating_add(gap)).then_some(Part::Valid),
                bound => (time >= bound.unwrap_or(first).saturating_add(gap)).then_some(Part::Test),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(parts: &[Option<Part>]) -> String {
        parts
            .iter()
            .map(|part| part.map_or("-", |part| &part.name()[..2]))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn shares_cut_the_rows_in_the_order_of_time_whatever_order_they_come_in() {
        let times: Vec<Option<i64>> = [9, 0, 5, 1, 7, 2, 8, 3, 6, 4].map(Some).to_vec();
        assert_eq!(
            letters(&by_shares(&times, [0.6, 0.2, 0.2], 0)),
            "te tr tr tr va tr te tr va tr"
        );
    }

    #[test]
    fn rows_of_one_time_stay_together() {
        let times: Vec<Option<i64>> = [0, 1, 1, 1, 1, 1, 2, 3, 3, 3].map(Some).to_vec();
        assert_eq!(
            letters(&by_shares(&times, [0.5, 0.3, 0.2], 0)),
            "tr va va va va va va te te te"
        );
    }

    #[test]
    fn a_gap_leaves_out_what_follows_a_cut_too_closely() {
        let times: Vec<Option<i64>> = (0..10).map(|t| Some(t * 10)).collect();
        assert_eq!(
            letters(&by_shares(&times, [0.5, 0.0, 0.5], 15)),
            "tr tr tr tr tr - - te te te"
        );
        assert_eq!(
            letters(&by_bounds(&times, 30, Some(60), 10)),
            "tr tr tr - va va - te te te"
        );
    }

    #[test]
    fn a_row_without_a_time_belongs_nowhere() {
        assert_eq!(letters(&by_bounds(&[None, Some(1)], 2, None, 0)), "- tr");
    }

    #[test]
    fn bounds_are_dates_or_times() {
        assert_eq!(microseconds("1970-01-02"), Some(86_400_000_000));
        assert_eq!(microseconds("1970-01-01T02:00:00+02:00"), Some(0));
        assert_eq!(microseconds("1970-01-01 00:00:01"), Some(1_000_000));
        assert_eq!(microseconds("October"), None);
    }
}
