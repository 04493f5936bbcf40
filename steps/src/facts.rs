//! What is known about a table's columns before any row is read, in the form the lineage walker
//! works on: the contract's [`Column`] plus where values came from within one step.

use crate::data_type;
use indexmap::IndexMap;
use polars::prelude as pl;
use polars::prelude::{IntoSeries, NamedFrom};
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::task::{ColumnEdge, Way};
use trainyard_contract::{Column, KnownAt, Schema};

/// A column of one of a step's inputs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    pub(crate) input: String,
    pub(crate) column: String,
}

/// Columns of inputs and the ways in which they came in.
pub(crate) type Sources = BTreeMap<Source, BTreeSet<Way>>;

/// Adds what came in one way or another to what is there.
pub(crate) fn join_sources(sources: &mut Sources, more: &Sources) {
    for (source, ways) in more {
        sources.entry(source.clone()).or_default().extend(ways);
    }
}

/// The same sources where what they became is itself used in `way`: an aggregate of a sum is an
/// aggregation, a filter by it a filter. What only decided on a value still only decides.
pub(crate) fn used_as(sources: &Sources, way: Way) -> Sources {
    let used = |before: &Way| match (before.is_direct(), way.is_direct()) {
        (true, true) => (*before).max(way),
        (true, false) => way,
        (false, _) => *before,
    };
    sources
        .iter()
        .map(|(source, ways)| (source.clone(), ways.iter().map(used).collect()))
        .collect()
}

/// One column and what it depends on.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    /// As the next step will see it; `known_at` is filled in by [`Facts::schema`].
    pub(crate) column: Column,
    /// Input columns whose values became this column's values or decided on them.
    pub(crate) sources: Sources,
    /// Those of them whose value at the row's own moment had a say: not what an as-of join found or a
    /// window over the past took in.
    pub(crate) current: BTreeSet<Source>,
    /// When everything that had a say in the value is known: also join keys and, for aggregates,
    /// whatever chose the rows.
    pub(crate) known: BTreeSet<KnownAt>,
    /// Whether the value takes in other rows than its own: an aggregate or window.
    pub(crate) takes_in_rows: bool,
}

/// The columns of a table in order, and what decided which rows it has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) columns: IndexMap<String, Fact>,
    /// Filters, join keys, groupings: columns that decide rows.
    pub(crate) deciding: Influence,
    /// Sort keys, which decide rows only once something is cut off.
    pub(crate) ordering: Influence,
}

/// Columns that matter without becoming a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Influence {
    pub(crate) sources: Sources,
    pub(crate) known: BTreeSet<KnownAt>,
}

impl Influence {
    pub(crate) fn add(&mut self, other: &Influence) {
        join_sources(&mut self.sources, &other.sources);
        self.known.extend(other.known.iter().cloned());
    }

    /// Adds a column that matters in `way`.
    pub(crate) fn add_fact(&mut self, fact: &Fact, way: Way) {
        join_sources(&mut self.sources, &used_as(&fact.sources, way));
        self.known.extend(fact.known.iter().cloned());
    }
}

impl Fact {
    /// The same under another name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.column.name);
        self
    }

    /// Whether it is one input column as it is.
    pub(crate) fn copies(&self) -> Option<&Source> {
        let mut sources = self.sources.iter();
        let (source, ways) = sources.next()?;
        (sources.next().is_none() && ways.iter().all(|way| *way == Way::Identity)).then_some(source)
    }

    /// What holds for a value computed from all of `parts`.
    pub(crate) fn computed<'a>(
        name: &str,
        nullable: bool,
        parts: impl IntoIterator<Item = &'a Fact>,
    ) -> Self {
        let mut fact = Self {
            column: Column::new(
                name,
                trainyard_contract::DataType::Other("other[unknown]".to_owned()),
                nullable,
            ),
            sources: Sources::new(),
            current: BTreeSet::new(),
            known: BTreeSet::new(),
            takes_in_rows: false,
        };
        for part in parts {
            join_sources(&mut fact.sources, &used_as(&part.sources, Way::Transformation));
            fact.current.extend(part.current.iter().cloned());
            fact.known.extend(part.known.iter().cloned());
            fact.column.origins.extend(part.column.origins.iter().cloned());
            fact.column.classification =
                stricter(fact.column.classification.take(), &part.column.classification);
            fact.column.fitted = fact.column.fitted.take().or_else(|| part.column.fitted.clone());
        }
        fact
    }

    /// Whether any part of the value is known only after the moment `at`.
    pub(crate) fn known_after(&self, at: &str) -> Option<&KnownAt> {
        self.known.iter().find(|known| known.is_after(at) == Some(true))
    }
}

/// Of two classifications the one that asks for more care; words we do not know rank lowest.
fn stricter(left: Option<String>, right: &Option<String>) -> Option<String> {
    const CARE: [&str; 4] = ["protected", "personal", "confidential", "internal"];
    let rank = |word: &str| CARE.iter().position(|known| *known == word).unwrap_or(CARE.len());
    match (left, right) {
        (Some(left), Some(right)) => Some(if rank(right) < rank(&left) {
            right.clone()
        } else {
            left
        }),
        (left, right) => left.or_else(|| right.clone()),
    }
}

impl Facts {
    /// The facts of an input with that schema.
    pub(crate) fn of_input(input: &str, schema: &Schema) -> Self {
        let columns = schema
            .columns
            .iter()
            .map(|column| {
                let source = Source {
                    input: input.to_owned(),
                    column: column.name.clone(),
                };
                let fact = Fact {
                    column: column.clone(),
                    sources: Sources::from([(source.clone(), BTreeSet::from([Way::Identity]))]),
                    current: BTreeSet::from([source]),
                    known: column.known_at.clone().into_iter().collect(),
                    takes_in_rows: false,
                };
                (column.name.clone(), fact)
            })
            .collect();
        Self {
            columns,
            ..Self::default()
        }
    }

    /// A table of these columns with one row, in which every value is missing: enough for a plan to be
    /// typed and tried.
    pub(crate) fn blank_frame(&self) -> pl::DataFrame {
        let schema: pl::Schema = self
            .columns
            .iter()
            .map(|(name, fact)| {
                pl::Field::new(name.as_str().into(), data_type::to_polars(&fact.column.data_type))
            })
            .collect();
        pl::DataFrame::full_null(&schema, 1)
    }

    /// A table of these columns with one row of plain values: 1, `1`, true, the first of January 1970.
    pub(crate) fn plain_frame(&self) -> pl::DataFrame {
        let blank = self.blank_frame();
        let columns = blank.columns().iter().map(|column| {
            let name = column.name().clone();
            let one = match column.dtype() {
                pl::DataType::String => pl::Series::new(name.clone(), ["1"]),
                pl::DataType::Boolean => pl::Series::new(name.clone(), [true]),
                _ => pl::Series::new(name.clone(), [1i32]),
            };
            let cast = match column.dtype() {
                pl::DataType::List(inner) => one
                    .cast(inner)
                    .and_then(|item| item.implode())
                    .map(|list| list.into_series()),
                other => one.cast(other),
            };
            cast.map_or_else(|_| column.clone(), pl::Column::from)
        });
        pl::DataFrame::new(1, columns.collect()).unwrap_or(blank)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Fact> {
        self.columns.get(name)
    }

    /// All names in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// The columns as the next step will see them; what holds for the table as a whole is left to
    /// the caller.
    pub(crate) fn schema(&self) -> Schema {
        let columns = self
            .columns
            .values()
            .map(|fact| Column {
                known_at: fact.known.iter().cloned().reduce(KnownAt::later),
                ..fact.column.clone()
            })
            .collect();
        Schema {
            columns,
            ..Schema::default()
        }
    }

    /// Column lineage of the table as the step's output `output`: what became of each column, and
    /// under [`ColumnEdge::ROWS`] what decided which rows there are and their order.
    pub(crate) fn edges(&self, output: &str) -> Vec<ColumnEdge> {
        let edge = |column: &str, source: &Source, ways: &BTreeSet<Way>| ColumnEdge {
            output: output.to_owned(),
            column: column.to_owned(),
            input: source.input.clone(),
            from: source.column.clone(),
            derived: true,
            ways: ways.clone(),
        };
        let mut edges = Vec::new();
        for (name, fact) in &self.columns {
            edges.extend(fact.sources.iter().map(|(source, ways)| edge(name, source, ways)));
        }
        let rows = self.rows();
        edges.extend(
            rows.iter()
                .map(|(source, ways)| edge(ColumnEdge::ROWS, source, ways)),
        );
        edges
    }

    /// What decided which rows there are and their order.
    pub(crate) fn rows(&self) -> Sources {
        let mut rows = self.deciding.sources.clone();
        join_sources(&mut rows, &self.ordering.sources);
        rows
    }

    /// Input columns that matter whatever becomes of the columns.
    pub(crate) fn uses(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for source in self.rows().keys() {
            uses.entry(source.input.clone())
                .or_default()
                .insert(source.column.clone());
        }
        uses
    }
}
