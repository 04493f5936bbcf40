//! Columns of dates and times.

use jiff::{Timestamp, ToSpan, civil};
use polars::prelude::{DataType as PolarsType, PolarsResult, Series, TimeUnit};
use serde::Serialize;

/// Gaps shown.
const SHOWN: usize = 5;
/// How many times the usual step makes a gap, if it is also half as long again as 99 in 100 steps: what
/// comes every night is no gap.
const GAP: f64 = 3.0;
const RARE: f64 = 1.5;
/// Fewer different moments have no usual step.
const FEWEST: usize = 10;

/// What the readings of a column count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// Days since 1970.
    Days,
    /// Microseconds since 1970.
    Instants,
    /// Seconds: of the day, or of a duration.
    Seconds,
}

/// How a column's moments lie.
#[derive(Debug, Serialize)]
pub(super) struct Times {
    /// From the first to the last, in seconds.
    pub(super) span_seconds: f64,
    /// Median distance of moments that follow each other, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usual_step_seconds: Option<f64>,
    /// Steps longer than three usual ones and than nearly all others.
    pub(super) gaps: usize,
    /// The longest of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) longest_gaps: Vec<Gap>,
}

/// A stretch without a moment.
#[derive(Debug, Serialize)]
pub(super) struct Gap {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) seconds: f64,
}

impl Clock {
    pub(super) fn of(dtype: &PolarsType) -> Self {
        match dtype {
            PolarsType::Date => Self::Days,
            PolarsType::Datetime(..) => Self::Instants,
            _ => Self::Seconds,
        }
    }

    fn seconds(self, reading: f64) -> f64 {
        match self {
            Self::Days => reading * 86_400.0,
            Self::Instants => reading / 1e6,
            Self::Seconds => reading,
        }
    }

    /// All readings in order.
    pub(super) fn readings(self, series: &Series) -> PolarsResult<Vec<f64>> {
        let (counted, unit) = match series.dtype() {
            PolarsType::Datetime(_, zone) => (
                series.cast(&PolarsType::Datetime(TimeUnit::Microseconds, zone.clone()))?,
                1.0,
            ),
            PolarsType::Duration(_) => (series.cast(&PolarsType::Duration(TimeUnit::Microseconds))?, 1e-6),
            PolarsType::Time => (series.clone(), 1e-9),
            _ => (series.clone(), 1.0),
        };
        let counted = counted.cast(&PolarsType::Int64)?;
        let mut readings: Vec<f64> = counted
            .i64()?
            .iter()
            .flatten()
            .map(|reading| reading as f64 * unit)
            .collect();
        readings.sort_unstable_by(f64::total_cmp);
        Ok(readings)
    }

    /// A reading on an axis of that length: only the day if there are more than ten of them.
    pub(super) fn shown_within(self, reading: f64, length: f64) -> String {
        let text = self.shown(reading);
        if self == Self::Instants && self.seconds(length) > 10.0 * 86_400.0 {
            return text.split(' ').next().unwrap_or_default().to_owned();
        }
        text
    }

    /// A reading as it is read, no finer than it is.
    pub(super) fn shown(self, reading: f64) -> String {
        match self {
            Self::Days => civil::date(1970, 1, 1)
                .checked_add((reading as i64).days())
                .map_or_else(|_| reading.to_string(), |day| day.to_string()),
            Self::Instants => match Timestamp::from_microsecond(reading as i64) {
                Ok(instant) => {
                    let text = instant.to_string();
                    let text = text.trim_end_matches('Z').replace('T', " ");
                    text.strip_suffix(" 00:00:00")
                        .or_else(|| text.strip_suffix(":00"))
                        .unwrap_or(&text)
                        .to_owned()
                }
                Err(_) => reading.to_string(),
            },
            Self::Seconds => span(reading),
        }
    }
}

/// A length of time in the largest unit that is not below one.
pub(super) fn span(seconds: f64) -> String {
    let size = seconds.abs();
    let (unit, name) = match size {
        size if size >= 2.0 * 86_400.0 => (86_400.0, "days"),
        size if size >= 7200.0 => (3600.0, "h"),
        size if size >= 120.0 => (60.0, "min"),
        _ => (1.0, "s"),
    };
    format!(
        "{} {name}",
        super::column::number((seconds / unit * 10.0).round() / 10.0)
    )
}

impl Times {
    /// How sorted readings lie; `None` if there are none.
    pub(super) fn of(clock: Clock, sorted: &[f64]) -> Option<Self> {
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let mut times = Self {
            span_seconds: clock.seconds(last) - clock.seconds(first),
            usual_step_seconds: None,
            gaps: 0,
            longest_gaps: Vec::new(),
        };
        let steps = || sorted.windows(2).filter(|pair| pair[1] > pair[0]);
        let mut lengths: Vec<f64> = steps().map(|pair| pair[1] - pair[0]).collect();
        if clock == Clock::Seconds || lengths.len() + 1 < FEWEST {
            return Some(times);
        }
        let middle = lengths.len() / 2;
        let usual = *lengths.select_nth_unstable_by(middle, f64::total_cmp).1;
        let nearly_last = (lengths.len() - 1) * 99 / 100;
        let long = *lengths.select_nth_unstable_by(nearly_last, f64::total_cmp).1;
        let limit = if long > usual {
            (GAP * usual).max(RARE * long)
        } else {
            GAP * usual
        };
        times.usual_step_seconds = Some(clock.seconds(usual));
        let mut gaps: Vec<(f64, f64)> = steps()
            .filter(|pair| pair[1] - pair[0] > limit)
            .map(|pair| (pair[0], pair[1]))
            .collect();
        times.gaps = gaps.len();
        gaps.sort_by(|a, b| (b.1 - b.0).total_cmp(&(a.1 - a.0)).then(a.0.total_cmp(&b.0)));
        times.longest_gaps = gaps
            .iter()
            .take(SHOWN)
            .map(|(from, to)| Gap {
                from: clock.shown(*from),
                to: clock.shown(*to),
                seconds: clock.seconds(to - from),
            })
            .collect();
        Some(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_a_step_of_more_than_three_times_the_usual_one() {
        let days: Vec<f64> = (0..20).chain(24..40).map(f64::from).collect();
        let times = Times::of(Clock::Days, &days).unwrap();
        assert_eq!((times.usual_step_seconds, times.gaps), (Some(86_400.0), 1));
        let gap = &times.longest_gaps[0];
        assert_eq!(
            (gap.from.as_str(), gap.to.as_str(), gap.seconds),
            ("1970-01-20", "1970-01-25", 432_000.0)
        );
    }

    #[test]
    fn a_pause_that_comes_every_night_is_no_gap() {
        let hours: Vec<f64> = (0..100)
            .flat_map(|day| (6..23).map(move |hour| f64::from(day * 24 + hour) * 3.6e9))
            .collect();
        assert_eq!(
            Times::of(Clock::Instants, &hours).map(|times| times.gaps),
            Some(0)
        );
    }

    #[test]
    fn readings_are_shown_no_finer_than_they_are() {
        assert_eq!(Clock::Instants.shown(0.0), "1970-01-01");
        assert_eq!(Clock::Instants.shown(3_600e6), "1970-01-01 01:00");
        assert_eq!(Clock::Instants.shown(1e6), "1970-01-01 00:00:01");
        assert_eq!(
            [span(90.0), span(5400.0), span(86_400.0), span(259_200.0)],
            ["90 s", "90 min", "24 h", "3 days"]
        );
    }
}
