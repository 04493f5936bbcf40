//! Faults that the simulation plants to prove that it would find them. A build for use has none:
//! there [`Run::has`] is constantly false.

use super::Run;

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    StartBeforeNeeds,
    ForgetFailedUpstream,
    ForgetSkippedData,
    SkipBlocksOrder,
    RunFalseCondition,
    AcceptStaleReport,
    StartTwice,
    ReuseAttemptNumber,
    LoseWakeUp,
    IgnoreMaxParallel,
    CountLost,
    RetryForEver,
    ForgetSiblings,
    ApproveAlone,
    FinallyEarly,
    FailureHookEarly,
    FailureHookUnasked,
    FailureHookKept,
    EndEarly,
    ForgetItem,
    RepeatItems,
    ForgetItemFailure,
    StartCancelledItems,
    ForgetUntil,
    ForgetDelay,
    RepeatIterations,
    TellLateTwice,
    ForgetTimeout,
    TimeOutForgiven,
    ForgetChosen,
    ForgetBelowChosen,
    ReuseChosen,
    RunUnchosen,
    RunUnchosenItems,
    KeepItemsBelowChosen,
    ForgetLeftCancelled,
}

impl Run {
    #[cfg(test)]
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.planted == Some(fault)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the simulation's twin looks at it")]
    pub(super) fn has(&self, _fault: Fault) -> bool {
        false
    }
}
