//! Which names mean what at a place of a query.

use super::class::Class;
use std::collections::BTreeSet;

/// A column that a query can name.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) class: Class,
    /// Its type as messages show it; empty if only the class is known.
    pub(super) shown: String,
}

/// A table in a FROM clause, or what a query gives.
#[derive(Clone, Debug, Default)]
pub(super) struct Relation {
    /// Alias, and the table's own name.
    pub(super) names: Vec<String>,
    pub(super) columns: Vec<Known>,
    /// Whether it may have further columns whose names nobody could tell.
    pub(super) open: bool,
}

impl Relation {
    pub(super) fn column(&self, name: &str) -> Option<&Known> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// The tables of a SELECT, and those of the queries around it.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) relations: Vec<Relation>,
    /// Columns that a join has made one of: no longer ambiguous.
    pub(super) merged: BTreeSet<String>,
    /// Names the SELECT itself gives, where they may be used.
    pub(super) given: Vec<Known>,
    pub(super) around: Option<&'a Scope<'a>>,
}

/// What a name turned out to be.
pub(super) enum Meaning<'s> {
    Column(&'s Known),
    /// A column of all these tables.
    Ambiguous(Vec<&'s str>),
    /// It may be a column that nobody could tell.
    Unsure,
    Nothing,
}

impl Scope<'_> {
    /// What a name without a table means.
    pub(super) fn bare(&self, name: &str) -> Meaning<'_> {
        if let Some(known) = self.given.iter().find(|known| known.name == name) {
            return Meaning::Column(known);
        }
        let mut found = self
            .relations
            .iter()
            .filter_map(|relation| Some((relation, relation.column(name)?)));
        match found.next() {
            Some((first, column)) => {
                let others: Vec<&str> = found
                    .filter_map(|(relation, _)| Some(relation.names.first()?.as_str()))
                    .collect();
                if others.is_empty() || self.merged.contains(name) {
                    return Meaning::Column(column);
                }
                let first = first.names.first().map(String::as_str);
                Meaning::Ambiguous(first.into_iter().chain(others).collect())
            }
            None if self.relations.iter().any(|relation| relation.open) => Meaning::Unsure,
            None => self.around.map_or(Meaning::Nothing, |around| around.bare(name)),
        }
    }

    /// The table of that name or alias.
    pub(super) fn relation(&self, name: &str) -> Option<&Relation> {
        let own = |at: usize| {
            self.relations
                .iter()
                .find(|relation| relation.names.get(at).is_some_and(|known| known == name))
        };
        own(0)
            .or_else(|| own(1))
            .or_else(|| self.around.and_then(|around| around.relation(name)))
    }

    /// All names of columns, for proposals.
    pub(super) fn columns(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        let all = self
            .given
            .iter()
            .chain(self.relations.iter().flat_map(|relation| &relation.columns));
        for known in all {
            if !names.contains(&known.name.as_str()) {
                names.push(&known.name);
            }
        }
        if let Some(around) = self.around {
            names.extend(around.columns());
        }
        names
    }

    /// All names of tables, for proposals.
    pub(super) fn tables(&self) -> Vec<&str> {
        let own = self
            .relations
            .iter()
            .filter_map(|relation| relation.names.first());
        let mut names: Vec<&str> = own.map(String::as_str).collect();
        if let Some(around) = self.around {
            names.extend(around.tables());
        }
        names
    }
}
