//! A backfill, its ticks, and what one would be, as the API and the command line show them.

use crate::backfilling::Draft;
use crate::documents::instant;
use crate::problem::Problem;
use serde::Serialize;
use serde_json::{Map, Value};
use trainyard_domain::backfill::forecast;
use trainyard_store::{Backfill, BackfillTick, Store};
use utoipa::ToSchema;

/// A backfill and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct BackfillDocument {
    pub id: String,
    pub pipeline: String,
    pub trigger: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// `running`, `paused`, `stopped` (too many failures), `cancelled` or `done`.
    pub phase: String,
    pub from: String,
    pub to: String,
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    pub max_parallel: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_after: Option<u32>,
    pub reverse: bool,
    pub only_missing: bool,
    pub by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    pub progress: BackfillProgress,
}

/// How many ticks are how far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BackfillProgress {
    pub total: u32,
    /// Ticks that are over, however they ended.
    pub over: u32,
    /// Ticks that have no run yet.
    pub waiting: u32,
    pub queued: u32,
    pub running: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub cancelled: u32,
    /// No run could be made for them.
    pub refused: u32,
    /// They had a run already (`only_missing`).
    pub there: u32,
    /// Mean time of the runs that ended, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_ms: Option<u64>,
    /// How long what is left takes by that, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
}

impl BackfillDocument {
    pub(crate) fn of(store: &Store, backfill: Backfill) -> Result<Self, Problem> {
        let tally = store.backfill_tally(&backfill)?;
        let mean = store.backfill_mean(&backfill)?;
        let order = backfill.order;
        let left = forecast(&order.limits, &tally, mean).filter(|_| !backfill.phase.is_final());
        Ok(Self {
            id: backfill.id,
            pipeline: backfill.pipeline.to_string(),
            trigger: backfill.trigger,
            environment: backfill.environment,
            phase: backfill.phase.as_str().to_owned(),
            from: instant(order.from),
            to: instant(order.to),
            params: order.params,
            max_parallel: order.limits.max_parallel,
            stop_after: order.limits.stop_after,
            reverse: order.reverse,
            only_missing: order.only_missing,
            by: backfill.by,
            reason: backfill.reason,
            created_at: instant(backfill.created_at),
            ended_at: backfill.ended_at.map(instant),
            progress: BackfillProgress {
                total: tally.total(),
                over: tally.over(),
                waiting: tally.waiting,
                queued: tally.queued,
                running: tally.running,
                succeeded: tally.succeeded,
                failed: tally.failed,
                cancelled: tally.cancelled,
                refused: tally.refused,
                there: tally.there,
                mean_ms: mean.map(|mean| mean.0),
                left_ms: left.map(|left| left.0),
            },
        })
    }
}

/// A tick of a backfill.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TickDocument {
    /// When the schedule ticked.
    pub at: String,
    pub logical_date: String,
    /// `waiting`, `queued`, `running`, `succeeded`, `failed`, `cancelled`, `refused` or `there`.
    pub state: String,
    /// Its run; of `there` the one that it had already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Which tick it is and what a change of clocks has to do with it; or why it has no run.
    pub reason: String,
}

impl From<BackfillTick> for TickDocument {
    fn from(tick: BackfillTick) -> Self {
        Self {
            at: instant(tick.at),
            logical_date: logical_date(&tick.body.trigger),
            state: tick.state.as_str().to_owned(),
            run: tick.run.map(|run| run.to_string()),
            reason: tick.reason.unwrap_or(tick.body.reason),
        }
    }
}

fn logical_date(trigger: &Value) -> String {
    trigger["logical_date"].as_str().unwrap_or_default().to_owned()
}

/// What a backfill would do; nothing is started.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BackfillPlan {
    pub pipeline: String,
    pub trigger: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Runs that would be started.
    pub runs: u32,
    /// Ticks that have a run already and would be left out (`only_missing`).
    pub there: u32,
    /// In the order in which they would start.
    pub ticks: Vec<TickDocument>,
}

impl BackfillPlan {
    pub(crate) fn of(store: &Store, draft: &Draft) -> Result<Self, Problem> {
        let mut ticks = Vec::with_capacity(draft.ticks.len());
        for tick in &draft.ticks {
            let run = if draft.order.only_missing {
                let environment = draft.environment.as_deref();
                store.run_of_tick(draft.pipeline.name(), &draft.trigger, environment, tick.at)?
            } else {
                None
            };
            ticks.push(TickDocument {
                at: instant(tick.at),
                logical_date: logical_date(&tick.body.trigger),
                state: if run.is_some() { "there" } else { "waiting" }.to_owned(),
                run: run.map(|run| run.to_string()),
                reason: tick.body.reason.clone(),
            });
        }
        if draft.order.reverse {
            ticks.reverse();
        }
        let there = ticks.iter().filter(|tick| tick.run.is_some()).count();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Self {
            pipeline: draft.pipeline.name().to_string(),
            trigger: draft.trigger.clone(),
            environment: draft.environment.clone(),
            runs: count(ticks.len() - there),
            there: count(there),
            ticks,
        })
    }
}
