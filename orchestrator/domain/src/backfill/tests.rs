use super::*;
use proptest::prelude::*;

const RUNNING: Standing = Standing {
    phase: Phase::Running,
    tally: Tally {
        waiting: 10,
        queued: 0,
        running: 0,
        succeeded: 0,
        failed: 0,
        cancelled: 0,
        refused: 0,
        there: 0,
    },
    forgiven: 0,
};

fn limits(max_parallel: u32, stop_after: Option<u32>) -> Limits {
    Limits {
        max_parallel,
        stop_after,
    }
}

fn ticks(count: i64) -> Vec<Timestamp> {
    (0..count).map(Timestamp).collect()
}

#[test]
fn as_many_ticks_start_as_there_is_room_for_and_the_first_first() {
    let standing = Standing {
        tally: Tally {
            waiting: 10,
            queued: 1,
            running: 1,
            ..Tally::default()
        },
        ..RUNNING
    };
    let next = next(&limits(4, None), &standing, &ticks(10));
    assert_eq!(next.start, ticks(2));
    assert_eq!(next.phase, Phase::Running);
}

#[test]
fn it_is_done_when_the_last_run_is_over_and_not_before() {
    let of = |waiting, running| Standing {
        tally: Tally {
            waiting,
            running,
            succeeded: 5,
            ..Tally::default()
        },
        ..RUNNING
    };
    assert_eq!(next(&limits(1, None), &of(0, 1), &[]).phase, Phase::Running);
    assert_eq!(next(&limits(1, None), &of(0, 0), &[]).phase, Phase::Done);
}

#[test]
fn enough_failures_stop_it_and_those_before_it_was_resumed_do_not() {
    let mut standing = Standing {
        tally: Tally {
            waiting: 5,
            failed: 1,
            refused: 1,
            ..Tally::default()
        },
        ..RUNNING
    };
    let stopped = next(&limits(2, Some(2)), &standing, &ticks(5));
    assert_eq!((stopped.start.len(), stopped.phase), (0, Phase::Stopped));
    standing.forgiven = 2;
    assert_eq!(next(&limits(2, Some(2)), &standing, &ticks(5)).start.len(), 2);
}

#[test]
fn nobody_pauses_resumes_or_cancels_what_is_over() {
    for command in [Command::Pause, Command::Resume, Command::Cancel] {
        assert_eq!(steer(Phase::Done, command), Err(Phase::Done), "{command:?}");
    }
    assert_eq!(steer(Phase::Cancelled, Command::Resume), Err(Phase::Cancelled));
    assert_eq!(
        steer(Phase::Cancelled, Command::Cancel),
        Ok(Phase::Cancelled),
        "again"
    );
    assert_eq!(steer(Phase::Stopped, Command::Resume), Ok(Phase::Running));
    assert_eq!(steer(Phase::Stopped, Command::Pause), Err(Phase::Stopped));
    assert_eq!(steer(Phase::Paused, Command::Pause), Ok(Phase::Paused), "again");
}

#[test]
fn what_is_left_takes_its_share_of_the_mean_time() {
    let tally = Tally {
        waiting: 9,
        running: 2,
        ..Tally::default()
    };
    let mean = Some(Millis(60_000));
    assert_eq!(forecast(&limits(2, None), &tally, mean), Some(Millis(300_000)));
    assert_eq!(
        forecast(&limits(2, None), &tally, None),
        None,
        "nothing has ended"
    );
    // No more lanes than there is work.
    assert_eq!(forecast(&limits(100, None), &tally, mean), Some(Millis(54_545)));
    assert_eq!(
        forecast(&limits(2, None), &Tally::default(), mean),
        Some(Millis(0))
    );
}

prop_compose! {
    fn any_standing()(
        phase in prop_oneof![
            4 => Just(Phase::Running), 1 => Just(Phase::Paused), 1 => Just(Phase::Stopped),
            1 => Just(Phase::Cancelled), 1 => Just(Phase::Done),
        ],
        waiting in 0u32..20, queued in 0u32..8, running in 0u32..8, succeeded in 0u32..20,
        failed in 0u32..6, refused in 0u32..4, forgiven in 0u32..6,
    ) -> Standing {
        let tally = Tally { waiting, queued, running, succeeded, failed, refused, ..Tally::default() };
        Standing { phase, tally, forgiven }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_standing_starts_more_than_its_limits_allow(
        standing in any_standing(), at_once in 1u32..10, stop_after in proptest::option::of(1u32..6),
    ) {
        let limits = limits(at_once, stop_after);
        let waiting = ticks(i64::from(standing.tally.waiting));
        let decided = next(&limits, &standing, &waiting);
        prop_assert_eq!(&decided, &next(&limits, &standing, &waiting), "the same again");
        let started = decided.start.len() as u32;
        if started > 0 {
            prop_assert!(standing.tally.active() + started <= at_once);
            prop_assert_eq!(standing.phase, Phase::Running);
            prop_assert_eq!(decided.phase, Phase::Running);
            prop_assert_eq!(&decided.start[..], &waiting[..started as usize], "in their order");
            let failures = standing.tally.failures().saturating_sub(standing.forgiven);
            prop_assert!(stop_after.is_none_or(|most| failures < most));
        } else if decided.phase == Phase::Running {
            // It waits for something that will come.
            prop_assert!(standing.tally.active() > 0);
        }
        if standing.phase != Phase::Running {
            prop_assert_eq!(decided.phase, standing.phase, "only people wake it");
        }
        if decided.phase == Phase::Done && standing.phase != Phase::Done {
            prop_assert_eq!(standing.tally.waiting + standing.tally.active(), 0);
        }
    }
}
