//! A table on its way through a step: the plan over its rows, and the facts about its columns.
//!
//! Every operation is one function from frames to a frame. It is applied to the real frames and,
//! for the facts, to frames without rows, so what a check says and what a run does cannot differ.

use crate::facts::Facts;
use crate::fault::guarded;
use crate::lineage::{TracedInput, trace};
use polars::prelude::{IntoLazy, LazyFrame, PolarsError, PolarsResult};
use trainyard_contract::Schema;

/// Carries a plan out over a row without values and over one with plain values: some functions say only
/// then that they cannot take a type. Errors that come of the values are none.
fn rehearse(plan: LazyFrame) -> PolarsResult<()> {
    const OF_TYPES: [&str; 6] = [
        "not supported for",
        "not allowed on",
        "cannot compare",
        "could not evaluate",
        "cannot cast",
        "cannot perform",
    ];
    let Err(error) = guarded(|| plan.collect()) else {
        return Ok(());
    };
    let text = crate::fault::sentence(&error);
    let of_values = text.contains("conversion from") || text.contains("out of bounds");
    let of_types = matches!(
        error,
        PolarsError::InvalidOperation(_) | PolarsError::SchemaMismatch(_) | PolarsError::Duplicate(_)
    ) || OF_TYPES.iter().any(|words| text.contains(words));
    if of_types && !of_values {
        Err(error)
    } else {
        Ok(())
    }
}

/// A plan and what is known about its columns.
#[derive(Clone)]
pub(crate) struct Flow {
    pub(crate) plan: LazyFrame,
    pub(crate) facts: Facts,
}

impl Flow {
    /// An input seen before the run: its columns, no rows.
    pub(crate) fn unread(input: &str, schema: &Schema) -> Self {
        let facts = Facts::of_input(input, schema);
        Self {
            plan: facts.blank_frame().lazy(),
            facts,
        }
    }

    /// An input with its rows.
    pub(crate) fn read(input: &str, schema: &Schema, frame: LazyFrame) -> Self {
        Self {
            plan: frame,
            facts: Facts::of_input(input, schema),
        }
    }

    /// What `change` makes of this table.
    ///
    /// # Errors
    /// Whatever is wrong with the changed plan.
    pub(crate) fn then(&self, change: impl Fn(LazyFrame) -> PolarsResult<LazyFrame>) -> PolarsResult<Self> {
        Self::of_many(&[self], |mut frames| change(frames.swap_remove(0)))
    }

    /// What `change` makes of this table and another.
    ///
    /// # Errors
    /// Whatever is wrong with the changed plan.
    pub(crate) fn with(
        &self,
        other: &Self,
        change: impl Fn(LazyFrame, LazyFrame) -> PolarsResult<LazyFrame>,
    ) -> PolarsResult<Self> {
        Self::of_many(&[self, other], |mut frames| {
            let right = frames.swap_remove(1);
            change(frames.swap_remove(0), right)
        })
    }

    /// What `change` makes of several tables, which it gets in order.
    ///
    /// # Errors
    /// Whatever is wrong with the changed plan.
    pub(crate) fn of_many(
        tables: &[&Self],
        change: impl Fn(Vec<LazyFrame>) -> PolarsResult<LazyFrame>,
    ) -> PolarsResult<Self> {
        guarded(|| {
            let blank: Vec<TracedInput<'_>> = tables
                .iter()
                .map(|table| TracedInput::new(&table.facts))
                .collect();
            let plan = change(blank.iter().map(|input| input.frame.clone()).collect())?;
            let facts = trace(&plan, &blank)?;
            rehearse(plan)?;
            rehearse(change(
                tables
                    .iter()
                    .map(|table| table.facts.plain_frame().lazy())
                    .collect(),
            )?)?;
            Ok(Self {
                plan: change(tables.iter().map(|table| table.plan.clone()).collect())?,
                facts,
            })
        })
    }
}
