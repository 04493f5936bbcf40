use super::*;
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp(second * 1_000_000)
}

fn policy(limit: u32, on_limit: OnLimit) -> Policy {
    Policy {
        limit: Some(limit),
        on_limit,
        max_queued: MAX_QUEUED,
    }
}

fn queued(run: &str, group: &str, policy: Policy, since: i64) -> Queued {
    Queued {
        run: run.to_owned(),
        group: group.to_owned(),
        policy,
        priority: 50,
        since: at(since),
    }
}

fn active(run: &str, group: &str, started: i64) -> Active {
    Active {
        run: run.to_owned(),
        group: group.to_owned(),
        started: at(started),
        is_stopping: false,
    }
}

fn told(queued: &[Queued], active: &[Active], runs: Option<u32>) -> Vec<String> {
    admit(queued, active, Capacity { runs }, at(1_000))
        .into_iter()
        .map(|ruling| format!("{:?} {}: {}", ruling.verdict, ruling.run, ruling.reason))
        .collect()
}

#[test]
fn what_is_one_too_many_waits_is_skipped_fails_or_takes_the_place_of_the_oldest() {
    let running = [active("old", "g", 1), active("young", "g", 2)];
    let one = |on_limit| [queued("new", "g", policy(2, on_limit), 5)];
    assert_eq!(
        told(&one(OnLimit::Queue), &running, None),
        ["Wait new: group `g` has 2 of 2 runs"]
    );
    assert_eq!(
        told(&one(OnLimit::Skip), &running, None),
        ["Skip new: group `g` has 2 of 2 runs (on_limit: skip)"]
    );
    assert_eq!(
        told(&one(OnLimit::Fail), &running, None),
        ["Fail new: group `g` has 2 of 2 runs (on_limit: fail)"]
    );
    assert_eq!(
        told(&one(OnLimit::CancelRunning), &running, None),
        [
            "Cancel old: run new of the same group is newer (on_limit: cancel_running)",
            "Wait new: group `g` has 2 of 2 runs; the oldest is being stopped",
        ]
    );
    // What is being stopped still counts, and is not stopped again.
    let mut stopping = running.clone();
    stopping[0].is_stopping = true;
    assert_eq!(
        told(&one(OnLimit::CancelRunning), &stopping, None),
        ["Wait new: group `g` has 2 of 2 runs; the oldest is being stopped"]
    );
    assert_eq!(
        told(&one(OnLimit::Skip), &running[..1], None),
        ["Start new: its turn"]
    );
}

#[test]
fn of_runs_that_each_cancel_the_one_before_only_the_newest_is_wanted() {
    let policy = policy(1, OnLimit::CancelRunning);
    let waiting = [
        queued("a", "g", policy, 1),
        queued("b", "g", policy, 2),
        queued("c", "g", policy, 3),
    ];
    assert_eq!(
        told(&waiting, &[], None),
        [
            "Skip a: run c of the same group is newer (on_limit: cancel_running)",
            "Skip b: run c of the same group is newer (on_limit: cancel_running)",
            "Start c: its turn",
        ]
    );
}

#[test]
fn a_run_that_needs_its_group_to_itself_is_not_overtaken() {
    let alone = queued("alone", "g", policy(1, OnLimit::Queue), 1);
    let many = queued("many", "g", policy(3, OnLimit::Queue), 2);
    assert_eq!(
        told(&[many.clone(), alone.clone()], &[active("x", "g", 0)], None),
        [
            "Wait alone: group `g` has 1 of 1 runs",
            "Wait many: run alone of group `g` is first"
        ]
    );
    assert_eq!(
        told(
            &[many, alone, queued("other", "h", policy(1, OnLimit::Queue), 3)],
            &[],
            None
        ),
        [
            "Start alone: its turn",
            "Start many: its turn",
            "Start other: its turn"
        ]
    );
}

#[test]
fn room_goes_to_the_highest_priority_and_age_makes_up_for_a_low_one() {
    let free = Policy::of(None);
    let mut low = queued("low", "a", free, 0);
    low.priority = 0;
    let mut high = queued("high", "b", free, 999);
    high.priority = 100;
    assert_eq!(
        told(&[low.clone(), high.clone()], &[], Some(1))[0],
        "Start high: its turn"
    );
    let later = at(100 * 60 + 1_000);
    high.since = later;
    let rulings = admit(&[high, low], &[], Capacity { runs: Some(1) }, later);
    assert_eq!(rulings[0].run, "low");
}

#[test]
fn a_queue_is_bounded_and_says_so() {
    let mut short = policy(1, OnLimit::Queue);
    short.max_queued = 2;
    let waiting: Vec<Queued> = (0..4).map(|n| queued(&format!("r{n}"), "g", short, n)).collect();
    let told = told(&waiting, &[active("x", "g", 0)], None);
    assert_eq!(
        told[2],
        "Skip r2: group `g` has 1 of 1 runs, and 2 runs wait already (max_queued)"
    );
    assert_eq!(told.iter().filter(|line| line.starts_with("Wait")).count(), 2);
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let on_limit = prop_oneof![
        Just(OnLimit::Queue),
        Just(OnLimit::Skip),
        Just(OnLimit::Fail),
        Just(OnLimit::CancelRunning)
    ];
    (proptest::option::weighted(0.8, 1u32..4), on_limit, 1u32..20).prop_map(
        |(limit, on_limit, max_queued)| Policy {
            limit,
            on_limit,
            max_queued,
        },
    )
}

/// Each pipeline has a group and a policy; runs come, start, and end after a while.
#[derive(Clone, Debug)]
struct Story {
    pipelines: Vec<(u8, Policy, i64)>,
    /// Pipeline and how many minutes it runs, minute by minute.
    arrivals: Vec<Vec<(usize, u8)>>,
    room: Option<u32>,
}

fn story() -> impl Strategy<Value = Story> {
    (
        proptest::collection::vec((0u8..3, any_policy(), 0i64..=100), 1..5),
        proptest::collection::vec(proptest::collection::vec((0usize..5, 1u8..15), 0..4), 1..80),
        proptest::option::of(1u32..6),
    )
        .prop_map(|(pipelines, arrivals, room)| Story {
            pipelines,
            arrivals,
            room,
        })
}

fn play(story: &Story) {
    let capacity = Capacity { runs: story.room };
    let mut waiting: Vec<(Queued, u8)> = Vec::new();
    let mut going: Vec<(Active, Policy, u32)> = Vec::new();
    let mut open = BTreeSet::new();
    let mut minute = 0u32;
    while usize::try_from(minute).unwrap() < story.arrivals.len() || !waiting.is_empty() || !going.is_empty()
    {
        assert!(minute < 10_000, "starved: {waiting:?}");
        let now = at(i64::from(minute) * 60);
        for (index, (of, minutes)) in story
            .arrivals
            .get(usize::try_from(minute).unwrap())
            .into_iter()
            .flatten()
            .enumerate()
        {
            let (group, policy, priority) = story.pipelines[of % story.pipelines.len()];
            let run = format!("r{minute:04}-{index}");
            open.insert(run.clone());
            let run = Queued {
                run,
                group: format!("g{group}"),
                policy,
                priority,
                since: now,
            };
            waiting.push((run, *minutes));
        }
        going.retain(|(run, _, ends)| {
            let goes_on = *ends > minute;
            if !goes_on {
                open.remove(&run.run);
            }
            goes_on
        });
        let queue: Vec<Queued> = waiting.iter().map(|(run, _)| run.clone()).collect();
        let active: Vec<Active> = going.iter().map(|(run, ..)| run.clone()).collect();
        let rulings = admit(&queue, &active, capacity, now);
        let of_queue = rulings
            .iter()
            .filter(|ruling| ruling.verdict != Verdict::Cancel)
            .count();
        assert_eq!(of_queue, queue.len(), "one ruling for each");
        for ruling in rulings {
            assert!(!ruling.reason.is_empty());
            let place = waiting.iter().position(|(run, _)| run.run == ruling.run);
            match ruling.verdict {
                Verdict::Wait => {}
                Verdict::Skip | Verdict::Fail => {
                    open.remove(&ruling.run);
                    waiting.remove(place.unwrap());
                }
                Verdict::Cancel => {
                    let run = going.iter_mut().find(|(run, ..)| run.run == ruling.run).unwrap();
                    assert!(!run.0.is_stopping, "asked twice");
                    run.0.is_stopping = true;
                    run.2 = run.2.min(minute + 2);
                }
                Verdict::Start => {
                    let (run, minutes) = waiting.remove(place.unwrap());
                    let beside = going
                        .iter()
                        .filter(|(other, ..)| other.group == run.group)
                        .count();
                    let most = run.policy.limit.map_or(usize::MAX, |limit| limit as usize);
                    assert!(beside < most, "over the limit of {}", run.group);
                    let started = Active {
                        run: run.run,
                        group: run.group,
                        started: now,
                        is_stopping: false,
                    };
                    going.push((started, run.policy, minute + u32::from(minutes)));
                }
            }
        }
        assert!(story.room.is_none_or(|room| going.len() <= room as usize));
        minute += 1;
    }
    assert!(open.is_empty(), "every run comes to something: {open:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_limit_is_passed_every_run_comes_to_something_and_nothing_starves(story in story()) {
        play(&story);
    }
}

#[test]
fn under_a_flood_of_high_priority_a_low_one_starts_within_two_hours() {
    let free = Policy::of(None);
    let mut low = queued("low", "a", free, 0);
    low.priority = 0;
    for minute in 1..200 {
        let now = at(minute * 60);
        let mut flood: Vec<Queued> = (0..5)
            .map(|n| queued(&format!("high{n}"), "b", free, minute * 60))
            .collect();
        for run in &mut flood {
            run.priority = 100;
        }
        flood.push(low.clone());
        if admit(&flood, &[], Capacity { runs: Some(1) }, now)[0].run == "low" {
            assert!(minute >= 100, "not before its age makes up for it");
            return;
        }
    }
    panic!("starved");
}
