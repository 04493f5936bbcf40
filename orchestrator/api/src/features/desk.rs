//! The project's features as they are now, and the store that they are looked up in.

use super::files::Stamps;
use super::plan::{Plan, PlanKey};
use super::pusher::Pusher;
use crate::problem::{Problem, cut};
use axum::http::StatusCode;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use trainyard_contract::feature::{FeatureDefinitions, FeatureView};
use trainyard_contract::finding::nearest;
use trainyard_features::offline::PushLog;
use trainyard_features::online::{OnlineError, OnlineStore, Place, ViewId};

/// Questions that are kept resolved.
const MOST_PLANS: usize = 512;

/// Values that are looked up on the threads that answer; some milliseconds.
const MOST_AT_ONCE: usize = 20_000;

/// Where the log of a view version's pushed rows is.
pub(crate) type PushFolder = Box<dyn Fn(&str, u32) -> PathBuf + Send + Sync>;

/// What lookups and pushes need. Nothing here is locked for longer than it takes to copy a pointer.
pub(crate) struct FeatureDesk {
    place: Place,
    pushes: PushFolder,
    store: Mutex<Option<Arc<dyn OnlineStore>>>,
    opened: RwLock<Option<Arc<dyn OnlineStore>>>,
    /// The files that definitions were read from, and what they say, before versions are known.
    written: Mutex<(Option<Stamps>, FeatureDefinitions)>,
    known: RwLock<Arc<Known>>,
    logs: Mutex<HashMap<ViewId, Arc<PushLog>>>,
    pusher: Pusher,
}

/// The definitions at one time, with the questions that were asked of them.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) definitions: FeatureDefinitions,
    plans: RwLock<HashMap<PlanKey, Arc<Plan>>>,
}

impl Known {
    /// A view.
    pub(crate) fn view(&self, name: &str) -> Result<&FeatureView, Problem> {
        let views = &self.definitions.views;
        views.get(name).ok_or_else(|| {
            let problem = Problem::not_found(
                "feature-view-not-found",
                format!("there is no feature view `{}`", cut(name)),
            );
            match nearest(name, views.keys().map(String::as_str)) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem,
            }
        })
    }

    /// What a question asks for; resolved once.
    pub(crate) fn plan(&self, key: PlanKey) -> Result<Arc<Plan>, Problem> {
        let plans = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&key) {
            return Ok(plan.clone());
        }
        drop(plans);
        let plan = Arc::new(Plan::new(&self.definitions, &key)?);
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= MOST_PLANS {
            plans.clear();
        }
        plans.insert(key, plan.clone());
        Ok(plan)
    }
}

impl FeatureDesk {
    pub(crate) fn new(place: Place, pushes: PushFolder) -> Self {
        Self {
            place,
            pushes,
            store: Mutex::default(),
            opened: RwLock::default(),
            written: Mutex::default(),
            known: RwLock::default(),
            logs: Mutex::default(),
            pusher: Pusher::default(),
        }
    }

    /// Reads definitions if their files are others than before. Where they have faults, those from before stay.
    pub(crate) fn read(&self, stamps: Stamps, read: impl FnOnce() -> Option<FeatureDefinitions>) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.0.as_ref() == Some(&stamps) {
            return;
        }
        if let Some(definitions) = read() {
            written.1 = definitions;
        }
        written.0 = Some(stamps);
    }

    /// What was read last.
    pub(crate) fn written(&self) -> FeatureDefinitions {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.1.clone()
    }

    /// The definitions from now on.
    pub(crate) fn define(&self, definitions: FeatureDefinitions) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.definitions != definitions {
            *known = Arc::new(Known {
                definitions,
                plans: RwLock::default(),
            });
        }
    }

    pub(crate) fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The online store, if it is open and near and so few values are wanted that nobody need wait for the answer.
    pub(crate) fn near(&self, values: usize) -> Option<Arc<dyn OnlineStore>> {
        if values > MOST_AT_ONCE {
            return None;
        }
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner).clone();
        opened.filter(|store| store.is_near())
    }

    /// The online store, opened when it is first asked for. May wait.
    pub(crate) fn store(&self) -> Result<Arc<dyn OnlineStore>, OnlineError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = store.as_ref() {
            return Ok(store.clone());
        }
        let opened = self.place.open()?;
        *store = Some(opened.clone());
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Some(opened.clone());
        Ok(opened)
    }

    pub(crate) fn pusher(&self) -> &Pusher {
        &self.pusher
    }

    /// The log of a view's pushed rows.
    pub(crate) fn log(&self, id: &ViewId, view: &str, version: u32) -> Arc<PushLog> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.entry(id.clone())
            .or_insert_with(|| Arc::new(PushLog::new((self.pushes)(view, version))))
            .clone()
    }
}

impl Problem {
    /// Why the online store did not do what was asked.
    pub(crate) fn of_store(error: &OnlineError) -> Self {
        match error {
            OnlineError::Full { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", error.to_string())
            }
            OnlineError::Damaged { .. } | OnlineError::Newer { .. } => {
                tracing::error!(%error, "online_store_unusable");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "online-store-unusable",
                    error.to_string(),
                )
            }
            OnlineError::Io { .. } => {
                let causes = trainyard_contract::task::chain(error).join(": ");
                tracing::warn!(causes, "online_store_away");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "online-store-away",
                    error.to_string(),
                )
            }
            OnlineError::Batch(_) => Self::refused("rows-invalid", error.to_string()),
            OnlineError::Url(_) | OnlineError::Source(_) => Self::internal("use the online store", error),
        }
    }
}

impl From<OnlineError> for Problem {
    fn from(error: OnlineError) -> Self {
        Self::of_store(&error)
    }
}
