//! Whether a turn was kept whose commit was never answered.
//!
//! A connection that is lost while a commit is under way leaves two possibilities, and only the
//! database knows which. The rows of the runs tell: nobody else can append under an epoch, so as
//! long as it is ours, the number of events is what it was before the turn or what it is after. The
//! rows are locked for the question, so that a commit which is still under way is waited for.

use crate::error::StoreError;
use crate::queries;
use crate::store::Store;
use trainyard_contract::RunId;

/// Runs of a turn whose commit was not answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    pub(crate) runs: Vec<UnsettledRun>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnsettledRun {
    pub(crate) run: RunId,
    pub(crate) epoch: u64,
    /// Events before the turn, and after it.
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// What became of such a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Whether it was kept, as far as runs say so that are still ours.
    pub kept: bool,
    /// Runs that are not ours any more, or not where we left them.
    pub lost: Vec<RunId>,
}

impl Store {
    /// Asks what became of a turn whose commit was not answered.
    ///
    /// # Errors
    /// `Unreachable`, `Busy` while the commit is still under way: ask again.
    pub fn settle(&mut self, unsettled: &Unsettled) -> Result<Settled, StoreError> {
        let doing = "find out whether a turn was kept";
        self.transact(doing, |store| {
            let mut settled = Settled {
                kept: false,
                lost: Vec::new(),
            };
            for of in &unsettled.runs {
                let number = store.number(&of.run)?;
                let found = store.first(doing, queries::RUN_HOLD, [number], |row| {
                    Ok((
                        row.get::<_, i64>(0)?.unsigned_abs(),
                        row.get::<_, i64>(1)?.unsigned_abs(),
                    ))
                })?;
                match found {
                    Some((epoch, events)) if epoch == of.epoch && events == of.after => settled.kept = true,
                    Some((epoch, events)) if epoch == of.epoch && events == of.before => {}
                    _ => settled.lost.push(of.run.clone()),
                }
            }
            Ok(settled)
        })
    }
}
