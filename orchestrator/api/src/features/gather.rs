//! Looks up the rows of a question and writes their values as JSON, straight from the store's bytes.

use super::columns::Columns;
use super::on_demand::to_expression;
use super::plan::Plan;
use crate::problem::Problem;
use trainyard_contract::Timestamp;
use trainyard_features::expression;
use trainyard_features::online::{OnlineStore, Value, write_json};

/// What is known about a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Present,
    Null,
    NotFound,
    OutsideMaxAge,
}

impl Status {
    /// As Feast writes it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Present => "PRESENT",
            Self::Null => "NULL_VALUE",
            Self::NotFound => "NOT_FOUND",
            Self::OutsideMaxAge => "OUTSIDE_MAX_AGE",
        }
    }
}

/// A value: a piece of [`Gathered::json`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    start: usize,
    end: usize,
    pub(crate) status: Status,
}

impl Cell {
    pub(crate) fn new(start: usize, end: usize, status: Status) -> Self {
        Self { start, end, status }
    }
}

/// The values of a question, cell by cell.
pub(crate) struct Gathered {
    json: Vec<u8>,
    /// Those of the first cell for all rows, then those of the second.
    cells: Vec<Cell>,
    /// Event times of the rows of the first view, then of the second.
    events: Vec<Option<i64>>,
    rows: usize,
}

impl Gathered {
    /// Looks everything up at one instant.
    pub(crate) fn new(
        plan: &Plan,
        columns: &Columns,
        store: &dyn OnlineStore,
        now: Timestamp,
        feast: bool,
    ) -> Result<Self, Problem> {
        let rows = columns.rows;
        let nothing = Cell {
            start: 0,
            end: 0,
            status: Status::NotFound,
        };
        let mut all = Self {
            json: Vec::with_capacity(rows * plan.cells * 8),
            cells: vec![nothing; rows * plan.cells],
            events: vec![None; rows * plan.views.len()],
            rows,
        };
        let mut kept = Kept::new(plan, rows);
        for (place, view) in plan.views.iter().enumerate() {
            let keyed = columns.keys_of(view)?;
            store.get(&view.id, &view.wanted, &keyed.keys, &mut |asked, found| {
                let (Some(row), Some((found, projection))) = (keyed.rows.get(asked).copied(), found) else {
                    return;
                };
                let event = found.event_time();
                if let Some(time) = all.events.get_mut(place * rows + row) {
                    *time = Some(event);
                }
                let is_old = view.ttl.is_some_and(|ttl| now.0.saturating_sub(event) > ttl);
                for (within, (field, place)) in view.wanted.iter().zip(projection.places()).enumerate() {
                    let value = match place {
                        Some(place) if !is_old => found.value(projection.layout(), *place),
                        _ => None,
                    };
                    let status = match (&value, is_old) {
                        (_, true) => Status::OutsideMaxAge,
                        (Some(_), _) => Status::Present,
                        (None, _) => Status::Null,
                    };
                    let start = all.json.len();
                    if let Some(value) = &value {
                        kept.keep(view.first_cell + within, row, value);
                    }
                    if value.is_some() {
                        write_json(&mut all.json, &field.data_type, value.as_ref(), feast);
                    }
                    if let Some(cell) = all.cells.get_mut((view.first_cell + within) * rows + row) {
                        *cell = Cell {
                            start,
                            end: all.json.len(),
                            status,
                        };
                    }
                }
            })?;
        }
        all.compute(plan, columns, &kept, feast)?;
        Ok(all)
    }

    fn compute(&mut self, plan: &Plan, columns: &Columns, kept: &Kept, feast: bool) -> Result<(), Problem> {
        let rows = self.rows;
        let Self { json, cells, .. } = self;
        for derived in &plan.derived {
            for row in 0..rows {
                let mut computed = Vec::new();
                let input = |(view, within): (usize, usize)| {
                    let cell = plan.views.get(view).map_or(0, |view| view.first_cell) + within;
                    let status = cells
                        .get(cell * rows + row)
                        .map_or(Status::NotFound, |cell| cell.status);
                    (kept.get(cell, row), status)
                };
                derived.compute(columns, row, input, json, feast, |cell, value| {
                    computed.push((cell, value));
                })?;
                for (cell, value) in computed {
                    if let Some(place) = cells.get_mut(cell * rows + row) {
                        *place = value;
                    }
                }
            }
        }
        Ok(())
    }

    /// The values of a cell for all rows.
    pub(crate) fn cells(&self, cell: usize) -> &[Cell] {
        self.cells
            .get(cell * self.rows..(cell + 1) * self.rows)
            .unwrap_or_default()
    }

    /// The JSON of a value.
    pub(crate) fn json(&self, cell: Cell) -> &[u8] {
        match self.json.get(cell.start..cell.end) {
            Some([]) | None => b"null",
            Some(json) => json,
        }
    }

    /// Event times of the rows of a view, where there are such rows.
    pub(crate) fn events(&self, view: usize) -> &[Option<i64>] {
        self.events
            .get(view * self.rows..(view + 1) * self.rows)
            .unwrap_or_default()
    }
}

/// Stored values that on-demand features are computed from; nothing where there are no such features.
struct Kept {
    rows: usize,
    values: Vec<expression::Value<'static>>,
    is_input: Vec<bool>,
}

impl Kept {
    fn new(plan: &Plan, rows: usize) -> Self {
        let mut is_input = vec![false; if plan.derived.is_empty() { 0 } else { plan.cells }];
        for (view, within) in plan.derived.iter().flat_map(|derived| &derived.inputs) {
            let cell = plan.views.get(*view).map_or(0, |view| view.first_cell) + within;
            if let Some(is_input) = is_input.get_mut(cell) {
                *is_input = true;
            }
        }
        Self {
            rows,
            values: vec![expression::Value::Null; is_input.len() * rows],
            is_input,
        }
    }

    fn keep(&mut self, cell: usize, row: usize, value: &Value<'_>) {
        if self.is_input.get(cell) == Some(&true)
            && let Some(place) = self.values.get_mut(cell * self.rows + row)
        {
            *place = to_expression(Some(value.clone())).into_owned();
        }
    }

    fn get(&self, cell: usize, row: usize) -> expression::Value<'_> {
        let value = self.values.get(cell * self.rows + row);
        value.cloned().unwrap_or(expression::Value::Null)
    }
}
