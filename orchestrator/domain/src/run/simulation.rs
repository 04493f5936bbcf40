//! Random pipelines in a random world: failures, lost workers, engines that die, reports that come
//! late or twice, people, clocks that jump. A judge that knows the rules in its own words looks at
//! every event.
//!
//! `TRAINYARD_SIM_RUNS` says how many runs (3,000 in a debug build, 100,000 in a release build),
//! `TRAINYARD_SIM_SEED` replays one seed and prints its history.

mod judge;
mod pipeline;
pub(crate) mod random;
mod world;

use super::planted::Fault;
use world::{Tried, simulate};

const RUNS: u64 = if cfg!(debug_assertions) { 3_000 } else { 100_000 };
/// Seeds within which each planted fault must be found.
const SEEDS_FOR_A_FAULT: u64 = 1_000;

#[expect(clippy::disallowed_methods, reason = "a setting of this test")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_runs_in_a_random_world_keep_every_rule() {
    if let Some(seed) = setting("TRAINYARD_SIM_SEED") {
        match simulate(seed, None) {
            Ok(tried) => println!("seed {seed} keeps every rule: {tried:?}"),
            Err(objection) => panic!("seed {seed}: {objection}"),
        }
        return;
    }
    let runs = setting("TRAINYARD_SIM_RUNS").unwrap_or(RUNS);
    let mut total = Tried::default();
    for seed in 0..runs {
        match simulate(seed, None) {
            Ok(tried) => {
                total.events += tried.events;
                total.crashes += tried.crashes;
                total.retries += tried.retries;
                total.cancels += tried.cancels;
                total.ignored += tried.ignored;
            }
            Err(objection) => {
                panic!("seed {seed} (TRAINYARD_SIM_SEED={seed} replays it): {objection}");
            }
        }
    }
    println!("{runs} simulated runs keep every rule: {total:?}");
    assert!(runs < 1_000 || total.crashes > runs / 4 && total.retries > runs / 20 && total.ignored > runs);
}

#[test]
fn each_planted_fault_is_found() {
    let faults = [
        Fault::StartBeforeNeeds,
        Fault::ForgetFailedUpstream,
        Fault::ForgetSkippedData,
        Fault::SkipBlocksOrder,
        Fault::RunFalseCondition,
        Fault::AcceptStaleReport,
        Fault::StartTwice,
        Fault::ReuseAttemptNumber,
        Fault::LoseWakeUp,
        Fault::IgnoreMaxParallel,
        Fault::CountLost,
        Fault::RetryForEver,
        Fault::ForgetSiblings,
        Fault::ApproveAlone,
        Fault::FinallyEarly,
        Fault::FailureHookEarly,
        Fault::FailureHookUnasked,
        Fault::FailureHookKept,
        Fault::EndEarly,
        Fault::ForgetItem,
        Fault::RepeatItems,
        Fault::ForgetItemFailure,
        Fault::StartCancelledItems,
        Fault::ForgetUntil,
        Fault::ForgetDelay,
        Fault::RepeatIterations,
        Fault::TellLateTwice,
        Fault::ForgetTimeout,
        Fault::TimeOutForgiven,
        Fault::ForgetChosen,
        Fault::ForgetBelowChosen,
        Fault::ReuseChosen,
        Fault::RunUnchosen,
        Fault::RunUnchosenItems,
        Fault::KeepItemsBelowChosen,
        Fault::ForgetLeftCancelled,
    ];
    let mut missed = Vec::new();
    for fault in faults {
        let found = (0..SEEDS_FOR_A_FAULT).find_map(|seed| Some((seed, simulate(seed, Some(fault)).err()?)));
        match found {
            Some((seed, objection)) => {
                println!(
                    "{fault:?}: seed {seed}: {}",
                    objection.lines().next().unwrap_or_default()
                );
            }
            None => missed.push(fault),
        }
    }
    assert_eq!(missed, [], "not found within {SEEDS_FOR_A_FAULT} seeds");
}
