//! Point-in-time joins of tables: entity rows with the rows of feature views.
//!
//! What is found is decided by `trainyard_features::point_in_time`; here columns become keys and times, and the
//! values of the rows that were found are gathered. A view is read in pieces, twice: keys and times of those that can
//! matter, then the features that are asked for, of those in which something was found. So memory holds the entity rows
//! at hand, what was found for them, and one piece.

mod columns;
mod gather;
mod rows;

pub(crate) use columns::{KeyKind, Unit};
pub(crate) use rows::{Piece, ViewRows};

use columns::{Keyed, instants};
use polars::prelude::{DataFrame, DataType as PolarsType};
use trainyard_contract::feature::FeatureView;
use trainyard_contract::{Millis, StepError};
use trainyard_features::point_in_time::{
    Found, Keys, KnownBy, Moments, NO_TIME, Rules, Search, Tally, ViewRows as Stretch,
};

/// Rows of a piece that are looked up at once.
const STRETCH: usize = 1 << 19;

/// What is asked of one view.
#[derive(Clone, Debug)]
pub(crate) struct ViewAsk {
    pub(crate) view: FeatureView,
    /// Columns of the entity rows that hold the view's keys, in its order.
    pub(crate) keys: Vec<String>,
    /// How long before the entity row's time the view is looked at.
    pub(crate) lag: Millis,
    pub(crate) known_by: KnownBy,
    /// Features to gather.
    pub(crate) features: Vec<String>,
}

impl ViewAsk {
    /// Which times count: created times only where the view has them.
    fn known_by(&self) -> KnownBy {
        match self.view.created_time {
            Some(_) => self.known_by,
            None => KnownBy::Event,
        }
    }
}

/// What was found in one view.
pub(crate) struct Joined {
    /// The features asked for, under their own names, a row for each entity row.
    pub(crate) features: DataFrame,
    /// Event times of what was found.
    pub(crate) times: Vec<i64>,
    pub(crate) tally: Tally,
    /// Pieces whose keys and times were read, of how many.
    pub(crate) read: (usize, usize),
}

/// Entity rows, and those of their times and keys that are sorted already.
pub(crate) struct Entities<'a> {
    frame: &'a DataFrame,
    event_time: &'a str,
    /// The unit of all times in what follows.
    pub(crate) unit: Unit,
    sorted: Vec<Sorted>,
}

/// Entity rows in the order of one key and lag.
struct Sorted {
    columns: Vec<String>,
    kinds: Vec<KeyKind>,
    lag: Millis,
    keys: Keys,
    moments: Moments,
}

fn wrong(error: &polars::prelude::PolarsError) -> StepError {
    StepError::rejected(crate::fault::sentence(error))
}

impl<'a> Entities<'a> {
    /// Entity rows with the column of their times, a date or timestamp; those of `views` will be compared with it.
    ///
    /// # Errors
    /// `Rejected` if there is no such column.
    pub(crate) fn new(
        frame: &'a DataFrame,
        event_time: &'a str,
        views: &[&ViewRows],
    ) -> Result<Self, StepError> {
        let own = frame.column(event_time).map_err(|error| wrong(&error))?.dtype();
        let mut unit = Unit::of(own);
        for view in views {
            unit = unit.max(view.unit);
        }
        Ok(Self {
            frame,
            event_time,
            unit,
            sorted: Vec::new(),
        })
    }

    fn sorted(&mut self, ask: &ViewAsk, kinds: Vec<KeyKind>) -> Result<usize, StepError> {
        let known = self
            .sorted
            .iter()
            .position(|sorted| sorted.columns == ask.keys && sorted.kinds == kinds && sorted.lag == ask.lag);
        if let Some(known) = known {
            return Ok(known);
        }
        let time = self
            .frame
            .column(self.event_time)
            .map_err(|error| wrong(&error))?;
        let mut times = instants(time.as_materialized_series(), self.unit).map_err(|error| wrong(&error))?;
        let lag = self.unit.span(ask.lag);
        if lag > 0 {
            for time in times.iter_mut().filter(|time| **time != NO_TIME) {
                *time = time.saturating_sub(lag).max(NO_TIME + 1);
            }
        }
        let keyed = Keyed::of(self.frame, &ask.keys, &kinds).map_err(|error| wrong(&error))?;
        let (keys, numbers) = keyed
            .with(|columns| Keys::number(columns, self.frame.height()))
            .map_err(|fault| StepError::rejected(fault.to_string()))?;
        self.sorted.push(Sorted {
            columns: ask.keys.clone(),
            kinds,
            lag: ask.lag,
            moments: Moments::new(&numbers, &times, keys.count()),
            keys,
        });
        Ok(self.sorted.len() - 1)
    }

    /// Finds the rows of a view and gathers their features.
    ///
    /// # Errors
    /// `Rejected` if keys or times cannot be compared, and what reading gives.
    pub(crate) fn join(&mut self, ask: &ViewAsk, view: &ViewRows) -> Result<Joined, StepError> {
        let kinds = self.kinds(ask, view)?;
        let at = self.sorted(ask, kinds)?;
        let (sorted, unit) = (&self.sorted[at], self.unit);
        let rules = Rules {
            ttl: ask.view.ttl.map(|ttl| unit.span(ttl)),
            known_by: ask.known_by(),
        };
        let mut search = Search::new(&sorted.moments, rules);
        let mut read = 0;
        let pieces = view.pieces();
        if let Some((earliest, latest)) = sorted.moments.range() {
            let earliest = unit.to_microseconds(rules.earliest(earliest));
            let latest = unit.to_microseconds(latest);
            for (number, piece) in pieces.iter().enumerate() {
                if piece
                    .times
                    .is_some_and(|(from, to)| to < earliest || from > latest)
                {
                    continue;
                }
                read += 1;
                let frame = piece.read(&view.key_columns(&ask.view))?;
                look_up(&mut search, sorted, &ask.view, view, number, &frame, unit)?;
            }
        }
        let Found { rows, times, tally } = search.finish();
        Ok(Joined {
            features: gather::gather(&rows, view, &ask.view, &ask.features)?,
            times,
            tally,
            read: (read, pieces.len()),
        })
    }

    fn kinds(&self, ask: &ViewAsk, view: &ViewRows) -> Result<Vec<KeyKind>, StepError> {
        let pairs = ask.keys.iter().zip(&ask.view.keys);
        pairs
            .map(|(ours, key)| {
                let left = self.frame.column(ours).map_err(|error| wrong(&error))?.dtype();
                let right = view.type_of(ask.view.column_of(&key.name));
                let right = right.ok_or_else(|| {
                    StepError::rejected(format!("the view `{}` has no column `{}`", ask.view.name, key.name))
                })?;
                KeyKind::of(left, right).ok_or_else(|| {
                    let message = format!(
                        "the key `{ours}` is {left}, that of the view `{}` is {right}: they cannot be compared",
                        ask.view.name
                    );
                    StepError::rejected(message)
                })
            })
            .collect()
    }
}

/// Streams a piece past the entity rows.
fn look_up(
    search: &mut Search<'_>,
    sorted: &Sorted,
    view: &FeatureView,
    rows: &ViewRows,
    piece: usize,
    frame: &DataFrame,
    unit: Unit,
) -> Result<(), StepError> {
    let names: Vec<&str> = view.keys.iter().map(|key| view.column_of(&key.name)).collect();
    let mut offset = 0;
    while offset < frame.height() {
        let part = frame.slice(i64::try_from(offset).unwrap_or(i64::MAX), STRETCH);
        let keyed = Keyed::of(&part, &names, &sorted.kinds).map_err(|error| wrong(&error))?;
        let keys = keyed
            .with(|columns| sorted.keys.find(columns, part.height()))
            .map_err(|fault| StepError::rejected(fault.to_string()))?;
        let instants = |name: &str| -> Result<Vec<i64>, StepError> {
            let column = part.column(name).map_err(|error| wrong(&error))?;
            instants(column.as_materialized_series(), unit).map_err(|error| wrong(&error))
        };
        let times = instants(&rows.event_time)?;
        let created = rows.created_time.as_deref().map(instants).transpose()?;
        search.take(Stretch {
            first: gather::ordinal(piece, offset),
            keys: &keys,
            times: &times,
            created: created.as_deref(),
        });
        offset += STRETCH;
    }
    Ok(())
}

/// Whether a column can be an entity row's time.
pub(crate) fn is_time(data_type: &PolarsType) -> bool {
    matches!(data_type, PolarsType::Date | PolarsType::Datetime(..))
}

#[cfg(test)]
#[path = "historical_tests.rs"]
mod tests;
