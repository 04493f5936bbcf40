//! What runs have taken of cores and memory, kept by month for as long as the store lives. A run adds to it
//! when it ends, so that no turn before writes a page more.

use crate::database::{Database, params};
use crate::error::StoreError;
use crate::queries;
use crate::store::Store;
use std::collections::BTreeMap;
use trainyard_contract::PipelineName;
use trainyard_domain::plan::{Month, MonthUsage};

/// Writers on PostgreSQL spread over so many rows.
const SHARES: u32 = 16;

/// More than anybody can use, in any of the sums: a report that claims it must not keep a turn from being
/// written.
const MOST: u64 = 1 << 50;

/// What attempts of some runs have taken, by pipeline, environment and month: in an order that all
/// writers share, so that none of two waits for the other.
#[derive(Debug, Default)]
pub(crate) struct Used(BTreeMap<(String, String, Month), Attempts>);

/// Core-milliseconds and MiB-milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempts {
    pub(crate) core_ms: u64,
    pub(crate) mib_ms: u64,
}

impl Used {
    pub(crate) fn add(&mut self, pipeline: &str, environment: Option<&str>, month: Month, more: Attempts) {
        let key = (
            pipeline.to_owned(),
            environment.unwrap_or_default().to_owned(),
            month,
        );
        self.0.entry(key).or_default().add(more);
    }
}

impl Attempts {
    pub(crate) fn add(&mut self, more: Self) {
        self.core_ms = self.core_ms.saturating_add(more.core_ms).min(MOST);
        self.mib_ms = self.mib_ms.saturating_add(more.mib_ms).min(MOST);
    }
}

impl Store {
    pub(crate) fn add_usage(&self, used: Used) -> Result<(), StoreError> {
        let share = match &self.database {
            Database::Sqlite(_) => 0,
            Database::Postgres(_) => std::process::id() % SHARES,
        };
        for ((pipeline, environment, month), attempts) in used.0 {
            let values = params![
                pipeline,
                environment,
                month.number(),
                share,
                positive(attempts.core_ms),
                positive(attempts.mib_ms)
            ];
            self.send("count what was used", queries::USAGE_ADD, values)?;
        }
        Ok(())
    }

    /// What a pipeline's runs in an environment that are over have taken in a month, and how many of its runs
    /// are not over.
    ///
    /// # Errors
    /// `Disk`, `Closed`, `Unreachable`.
    pub fn month_usage(
        &self,
        pipeline: &PipelineName,
        environment: Option<&str>,
        month: Month,
    ) -> Result<MonthUsage, StoreError> {
        let doing = "read what was used";
        let values = params![pipeline.as_str(), environment.unwrap_or_default(), month.number()];
        let sums = self.first(doing, queries::USAGE_OF_MONTH, values, |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
        let (core_ms, mib_ms) = sums.unwrap_or_default();
        let values = params![pipeline.as_str(), environment];
        let under_way = self.first(doing, queries::USAGE_UNDER_WAY, values, |row| {
            row.get::<_, u32>(0)
        })?;
        Ok(MonthUsage {
            core_ms: core_ms.unsigned_abs(),
            mib_ms: mib_ms.unsigned_abs(),
            under_way: under_way.unwrap_or_default(),
        })
    }
}

fn positive(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
