//! Columns of a question become keys.

use super::plan::{Plan, ViewPlan};
use crate::problem::{Fault, Problem, cut};
use indexmap::IndexMap;
use serde_json::Value;
use trainyard_contract::finding::nearest;
use trainyard_features::online::{KeyBytes, read_json};

/// Rows of one question.
pub(crate) const MOST_ROWS: usize = 10_000;
/// Values of one answer.
const MOST_VALUES: usize = 2_000_000;
/// Wrong values that are named.
const MOST_NAMED: usize = 10;

/// The columns of a question by their names, as long as each other.
pub(crate) struct Columns {
    pub(crate) by_name: IndexMap<String, Vec<Value>>,
    pub(crate) rows: usize,
}

/// Rows that can be looked up in a view, with their keys; the others have a null in theirs.
pub(crate) struct Keyed {
    pub(crate) rows: Vec<usize>,
    pub(crate) keys: Vec<KeyBytes>,
}

impl Columns {
    /// Names entities by their keys, and looks whether all that is needed is there and no more.
    pub(crate) fn new(plan: &Plan, given: IndexMap<String, Vec<Value>>) -> Result<Self, Problem> {
        let mut by_name: IndexMap<String, Vec<Value>> = IndexMap::with_capacity(given.len());
        let rows = given.first().map_or(1, |(_, column)| column.len());
        for (name, column) in given {
            if column.len() != rows {
                return Err(Problem::refused(
                    "columns-uneven",
                    format!(
                        "column `{}` has {} rows, and the first column has {rows}",
                        cut(&name),
                        column.len()
                    ),
                ));
            }
            let name = plan.aliases.get(&name).cloned().unwrap_or(name);
            let known = [&plan.keys, &plan.request, &plan.others];
            if !known.iter().any(|known| known.contains_key(&name)) {
                let known = known.iter().flat_map(|known| known.keys());
                let known = known.chain(plan.aliases.keys()).map(String::as_str);
                let problem = Problem::refused(
                    "entity-unknown",
                    format!("`{}` is no key of an entity", cut(&name)),
                );
                return Err(match nearest(&name, known) {
                    Some(near) => problem.help(format!("did you mean `{near}`?")),
                    None => problem,
                });
            }
            by_name.insert(name, column);
        }
        let needed = || plan.keys.keys().chain(plan.request.keys());
        let missing: Vec<Fault> = needed()
            .filter(|name| !by_name.contains_key(*name))
            .map(|name| Fault {
                at: format!("entities.{name}"),
                message: "this column is missing".to_owned(),
                help: None,
            })
            .collect();
        if !missing.is_empty() {
            let names: Vec<String> = needed()
                .filter(|name| !by_name.contains_key(*name))
                .map(|name| format!("`{name}`"))
                .collect();
            return Err(Problem::refused(
                "join-key-missing",
                format!(
                    "the features that are asked for need {}, which is missing",
                    names.join(", ")
                ),
            )
            .errors(missing));
        }
        check_size(rows, plan.outputs.len())?;
        Ok(Self { by_name, rows })
    }

    /// The value of a row.
    pub(crate) fn cell(&self, name: &str, row: usize) -> &Value {
        let column = self.by_name.get(name);
        column.and_then(|column| column.get(row)).unwrap_or(&Value::Null)
    }

    /// The keys of a view.
    pub(crate) fn keys_of(&self, view: &ViewPlan) -> Result<Keyed, Problem> {
        let mut keyed = Keyed {
            rows: Vec::with_capacity(self.rows),
            keys: Vec::with_capacity(self.rows),
        };
        let mut faults: Vec<Fault> = Vec::new();
        for row in 0..self.rows {
            let mut key = KeyBytes::default();
            let mut is_whole = true;
            for part in &view.keys {
                let given = self.cell(&part.name, row);
                match read_json(&part.data_type, given) {
                    Ok(value) => is_whole &= key.push(value.as_ref()).is_ok(),
                    Err(wrong) => {
                        is_whole = false;
                        if faults.len() < MOST_NAMED {
                            faults.push(Fault {
                                at: format!("entities.{}[{row}]", part.name),
                                message: wrong.to_string(),
                                help: None,
                            });
                        }
                    }
                }
            }
            if is_whole {
                key.finish();
                keyed.rows.push(row);
                keyed.keys.push(key);
            }
        }
        match faults.first() {
            None => Ok(keyed),
            Some(first) => Err(Problem::refused(
                "entity-type-wrong",
                format!("{}: {}", first.at, first.message),
            )
            .errors(faults)),
        }
    }
}

/// Refuses questions whose answers would be huge.
pub(crate) fn check_size(rows: usize, features: usize) -> Result<(), Problem> {
    if rows > MOST_ROWS {
        return Err(Problem::refused(
            "too-many-rows",
            format!("the question has {rows} rows, and {MOST_ROWS} are allowed"),
        )
        .help("ask in parts, or use a point-in-time join for whole datasets"));
    }
    if rows.saturating_mul(features) > MOST_VALUES {
        return Err(Problem::refused(
            "too-many-values",
            format!("{rows} rows of {features} features are more than {MOST_VALUES} values"),
        )
        .help("ask in parts"));
    }
    Ok(())
}
