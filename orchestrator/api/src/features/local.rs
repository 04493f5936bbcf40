//! Lookups and pushes without a server, for commands.

use super::columns::Columns;
use super::desk::FeatureDesk;
use super::lookup::{answer, by_column};
use super::plan::PlanKey;
use super::push::{Destination, Frame, keep};
use crate::problem::Problem;
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::path::Path;
use trainyard_contract::feature::FeatureDefinitions;
use trainyard_contract::{DataType, Timestamp};
use trainyard_features::online::Place;
use trainyard_store::Home;

/// Why a lookup or push was not carried out.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct FeatureError {
    pub message: String,
    pub help: Option<String>,
}

impl From<Problem> for FeatureError {
    fn from(problem: Problem) -> Self {
        Self {
            message: problem.in_words(),
            help: problem.help_text().map(str::to_owned),
        }
    }
}

/// What a command looks up.
#[derive(Clone, Debug, Default)]
pub struct FeatureQuestion {
    /// `view:feature`, `view:*`.
    pub features: Vec<String>,
    /// Instead of `features`: those of a service.
    pub service: Option<String>,
    /// Keys and what else is needed, each with the values of all rows, as typed.
    pub columns: IndexMap<String, Vec<String>>,
    /// Whether features go by `view__feature`.
    pub full_names: bool,
    /// Whether the answer says how fresh the views are.
    pub freshness: bool,
}

/// The feature store of a project, as a server would answer from it.
pub struct FeatureStore {
    desk: FeatureDesk,
}

impl FeatureStore {
    /// The store of the project at `root`.
    ///
    /// # Errors
    /// If the project's definitions have faults.
    pub fn open(root: &Path, home: Home, place: Place) -> Result<Self, FeatureError> {
        let definitions = super::read_definitions(root).ok_or_else(|| FeatureError {
            message: "the feature definitions have faults".to_owned(),
            help: Some("`trainyard check` names them".to_owned()),
        })?;
        let definitions = home
            .store()
            .and_then(|store| super::with_versions(definitions, &store))
            .map_err(Problem::from)?;
        let desk = FeatureDesk::new(
            place,
            Box::new(move |view, version| home.pushed_features(view, version)),
        );
        desk.define(definitions);
        Ok(Self { desk })
    }

    /// The project's definitions.
    pub fn definitions(&self) -> FeatureDefinitions {
        self.desk.known().definitions.clone()
    }

    /// Looks features up: the document that `/api/v1/features/lookup` gives.
    ///
    /// # Errors
    /// What the server would refuse, and what the store says.
    pub fn look_up(&self, question: &FeatureQuestion, now: Timestamp) -> Result<Value, FeatureError> {
        let plan = self.desk.known().plan(PlanKey {
            service: question.service.clone(),
            features: question.features.clone(),
            full_names: question.full_names,
        })?;
        let type_of = |name: &str| {
            let name = plan.aliases.get(name).map_or(name, String::as_str);
            [&plan.keys, &plan.request, &plan.others]
                .into_iter()
                .find_map(|known| known.get(name))
        };
        let columns: IndexMap<String, Vec<Value>> = question
            .columns
            .iter()
            .map(|(name, values)| {
                let values = values.iter().map(|text| typed(type_of(name), text)).collect();
                (name.clone(), values)
            })
            .collect();
        let columns = match columns.is_empty() {
            true => by_column(&plan, vec![Map::new()]),
            false => columns,
        };
        let columns = Columns::new(&plan, columns)?;
        let store = self.desk.store().map_err(Problem::from)?;
        let body = answer(&plan, &columns, &*store, now, question.freshness)?;
        serde_json::from_slice(&body).map_err(|error| FeatureError {
            message: format!("the answer is no JSON: {error}"),
            help: None,
        })
    }

    /// Pushes rows, keys and times and features by name; says how many. They are durable when it returns.
    ///
    /// # Errors
    /// What the server would refuse, and what the stores say.
    pub fn push(
        &self,
        view: &str,
        rows: Vec<Map<String, Value>>,
        to: PushTo,
        now: Timestamp,
    ) -> Result<usize, FeatureError> {
        let known = self.desk.known();
        let view = known.view(view)?;
        let mut frame: IndexMap<String, Vec<Value>> = IndexMap::new();
        let count = rows.len();
        for (place, row) in rows.into_iter().enumerate() {
            for (name, value) in row {
                let column = frame.entry(name).or_insert_with(|| vec![Value::Null; count]);
                if let Some(cell) = column.get_mut(place) {
                    *cell = value;
                }
            }
        }
        let rows = Frame::new(view, frame)?.rows(now)?;
        keep(&self.desk, view, &rows, to.into(), now)?;
        Ok(rows.batch.len())
    }
}

/// Where pushed rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushTo {
    Online,
    Offline,
    Both,
}

impl From<PushTo> for Destination {
    fn from(to: PushTo) -> Self {
        match to {
            PushTo::Online => Self::Online,
            PushTo::Offline => Self::Offline,
            PushTo::Both => Self::OnlineAndOffline,
        }
    }
}

/// A value of the command line as its type wants it.
fn typed(data_type: Option<&DataType>, text: &str) -> Value {
    match data_type {
        Some(DataType::String) | None => Value::from(text),
        Some(_) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
    }
}
