use super::Open;
use crate::material::{
    append, at, create, create_owned, definition, ended_run, run_id, started, started_run, succeeded,
};
use trainyard_contract::{Failure, FailureClass, Millis, RunId, StepName, Timestamp};
use trainyard_domain::run::{RunOutcome, SkipReason, What};
use trainyard_store::{NewRun, RunFilter, RunStatus, Store, StoreError};

pub(crate) fn a_run_reads_back_as_it_was_written(open: Open<'_>) {
    let id = create(&mut open(), 7, "flights");
    let run = open().load_run(&id).unwrap();
    assert_eq!(run.id, id);
    assert_eq!(run.status, RunStatus::Queued);
    assert_eq!(
        (run.created_at, run.by.as_str(), run.reason.as_deref()),
        (Timestamp(7), "ada", Some("to see"))
    );
    assert_eq!(run.definition, definition("flights", 4));
    assert_eq!((run.events, run.lease), (vec![], None));
}

pub(crate) fn a_run_is_made_once(open: Open<'_>) {
    let mut store = open();
    let id = create(&mut store, 1, "flights");
    let definition = definition("other", 1);
    let again = NewRun {
        id: &id,
        definition: &definition,
        created_at: Timestamp(2),
        by: "bob",
        reason: None,
    };
    assert!(matches!(open().create_run(&again), Err(StoreError::RunExists(run)) if run == id));
    assert_eq!(
        open().load_run(&id).unwrap().definition.pipeline.as_str(),
        "flights"
    );
}

pub(crate) fn a_run_is_found_by_id_beginning_end_and_latest(open: Open<'_>) {
    let mut store = open();
    let first = RunId::from_parts(1 << 40, [1; 10]);
    let second = RunId::from_parts(2 << 40, [2; 10]);
    for (id, pipeline) in [(&first, "flights"), (&second, "adult")] {
        let definition = definition(pipeline, 1);
        let new = NewRun {
            id,
            definition: &definition,
            created_at: Timestamp(0),
            by: "ada",
            reason: None,
        };
        store.create_run(&new).unwrap();
    }
    let end = |id: &RunId, length: usize| id.as_str()[30 - length..].to_owned();
    for text in [
        first.as_str(),
        &first.as_str()[..8],
        &first.as_str()[4..12],
        first.short(),
        &end(&first, 4),
        &end(&first, 12),
    ] {
        assert_eq!(store.find_run(text).unwrap(), first, "{text}");
    }
    assert_eq!(store.find_run("latest").unwrap(), second);
    assert_eq!(store.find_run("latest:flights").unwrap(), first);
    let unknown = run_id(9);
    for text in [
        "",
        "latest:none",
        "latest:",
        "zzzz",
        "%",
        "run_%",
        "run_",
        "RUN_01",
        &end(&first, 3),
        unknown.as_str(),
    ] {
        let found = store.find_run(text);
        assert!(
            matches!(found, Err(StoreError::NoRun(_) | StoreError::Ambiguous { .. })),
            "{text}: {found:?}"
        );
    }
}

pub(crate) fn a_text_that_may_mean_several_runs_names_them(open: Open<'_>) {
    let mut store = open();
    let runs: Vec<RunId> = (1..=12)
        .map(|number| create(&mut store, number, "flights"))
        .collect();
    let Err(StoreError::Ambiguous { candidates, .. }) = store.find_run("run_0") else {
        panic!("found one")
    };
    assert_eq!(
        candidates,
        runs.iter().rev().take(10).cloned().collect::<Vec<_>>()
    );
    assert!(matches!(
        store.find_run(runs[0].short()),
        Err(StoreError::Ambiguous { .. })
    ));
}

pub(crate) fn runs_are_listed_newest_first_in_pages(open: Open<'_>) {
    let mut store = open();
    for number in 1..=6 {
        let pipeline = if number % 2 == 0 { "even" } else { "odd" };
        let id = create_owned(&mut store, number, pipeline);
        if number <= 2 {
            append(
                &mut store,
                &id,
                0,
                &[started_run(1), ended_run(2, RunOutcome::Failed)],
            );
        }
    }
    let list = |filter: RunFilter| -> Vec<u64> {
        let numbers = |store: &Store| -> Vec<u64> {
            let runs = store.list_runs(&filter).unwrap();
            runs.iter().map(|run| run.created_at.0.unsigned_abs()).collect()
        };
        numbers(&open())
    };
    let all = RunFilter::default();
    let pipeline = Some("odd".parse().unwrap());
    assert_eq!(list(all.clone()), [6, 5, 4, 3, 2, 1]);
    assert_eq!(
        list(RunFilter {
            limit: 2,
            ..all.clone()
        }),
        [6, 5]
    );
    assert_eq!(
        list(RunFilter {
            limit: 2,
            before: Some(run_id(5)),
            ..all.clone()
        }),
        [4, 3]
    );
    assert_eq!(
        list(RunFilter {
            pipeline: pipeline.clone(),
            ..all.clone()
        }),
        [5, 3, 1]
    );
    assert_eq!(
        list(RunFilter {
            status: Some(RunStatus::Failed),
            ..all.clone()
        }),
        [2, 1]
    );
    assert_eq!(
        list(RunFilter {
            status: Some(RunStatus::Queued),
            limit: 1,
            ..all.clone()
        }),
        [6]
    );
    assert_eq!(
        list(RunFilter {
            pipeline,
            status: Some(RunStatus::Failed),
            ..all
        }),
        [1]
    );
}

pub(crate) fn a_summary_counts_the_states_of_steps(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    append(&mut store, &id, 0, &[started_run(10), started(11, 0, None)]);
    let running = store.run_summary(&id).unwrap();
    assert_eq!(
        (running.status, running.started_at, running.ended_at),
        (RunStatus::Running, Some(Timestamp(10)), None)
    );
    let rest = [
        succeeded(12, 0, 1, "a"),
        at(13, What::StepCancelled { step: 1 }),
        at(
            13,
            What::StepSkipped {
                step: 2,
                because: SkipReason::Condition,
            },
        ),
        at(
            13,
            What::StepSkipped {
                step: 3,
                because: SkipReason::UpstreamFailed { step: 1 },
            },
        ),
        ended_run(14, RunOutcome::Cancelled),
    ];
    append(&mut store, &id, 2, &rest);
    let over = open().run_summary(&id).unwrap();
    assert_eq!(
        (over.status, over.ended_at, over.events),
        (RunStatus::Cancelled, Some(Timestamp(14)), 7)
    );
    let steps = over.steps;
    assert_eq!(
        (
            steps.total,
            steps.succeeded,
            steps.cancelled,
            steps.skipped,
            steps.blocked
        ),
        (4, 1, 1, 1, 1)
    );
    assert_eq!((steps.reused, steps.failed), (0, 0));
}

pub(crate) fn a_retry_takes_failed_and_blocked_steps_back(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    let failure = Failure::new(FailureClass::IoError, "no");
    let failed = What::AttemptFailed {
        step: 1,
        attempt: 1,
        failure,
        retry_at: None,
        resources: Default::default(),
        kept: Default::default(),
    };
    let first = [
        started_run(1),
        started(1, 1, None),
        at(2, failed),
        at(
            2,
            What::StepSkipped {
                step: 2,
                because: SkipReason::UpstreamFailed { step: 1 },
            },
        ),
        ended_run(3, RunOutcome::Failed),
    ];
    append(&mut store, &id, 0, &first);
    let before = store.run_summary(&id).unwrap();
    assert_eq!(
        (before.status, before.steps.failed, before.steps.blocked),
        (RunStatus::Failed, 1, 1)
    );
    append(
        &mut store,
        &id,
        5,
        &[at(
            4,
            What::RetryAsked {
                by: "ada".to_owned(),
                select: None,
            },
        )],
    );
    let after = store.run_summary(&id).unwrap();
    assert_eq!((after.status, after.ended_at), (RunStatus::Running, None));
    assert_eq!((after.steps.failed, after.steps.blocked), (0, 0));
}

pub(crate) fn a_retry_of_chosen_steps_counts_the_others_as_they_were(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    let failed = |time, step| {
        at(
            time,
            What::AttemptFailed {
                step,
                attempt: 1,
                failure: Failure::new(FailureClass::IoError, "no space"),
                retry_at: None,
                resources: Default::default(),
                kept: Default::default(),
            },
        )
    };
    let first = [
        started_run(1),
        started(1, 1, None),
        started(1, 2, None),
        failed(2, 1),
        failed(2, 2),
        ended_run(3, RunOutcome::Failed),
    ];
    append(&mut store, &id, 0, &first);
    let retry = What::RetryAsked {
        by: "ada".to_owned(),
        select: Some([1].into()),
    };
    let rest = [
        at(4, retry),
        started(4, 1, None),
        succeeded(5, 1, 2, "a"),
        ended_run(6, RunOutcome::Failed),
    ];
    append(&mut store, &id, 6, &rest);
    let after = store.run_summary(&id).unwrap();
    assert_eq!(
        (after.status, after.steps.failed, after.steps.succeeded),
        (RunStatus::Failed, 1, 1)
    );
}

pub(crate) fn events_can_be_followed(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    let other = create_owned(&mut store, 2, "flights");
    append(&mut store, &id, 0, &[started_run(1), started(2, 0, None)]);
    append(&mut store, &other, 0, &[started_run(9)]);
    append(&mut store, &id, 2, &[succeeded(3, 0, 1, "a")]);
    let follow = |seq, limit| open().events_after(&id, seq, limit).unwrap();
    assert_eq!(follow(0, 2), [(1, started_run(1)), (2, started(2, 0, None))]);
    assert_eq!(follow(2, 100), [(3, succeeded(3, 0, 1, "a"))]);
    assert_eq!(follow(3, 100), []);
    assert_eq!(follow(u64::MAX, 100), []);
}

pub(crate) fn the_previous_run_is_the_newest_of_its_environment(open: Open<'_>) {
    let mut store = open();
    let prod = {
        let id = run_id(1);
        let mut definition = definition("flights", 4);
        definition.environment = Some("prod".to_owned());
        let new = NewRun {
            id: &id,
            definition: &definition,
            created_at: Timestamp(1),
            by: "ada",
            reason: None,
        };
        store.create_run(&new).unwrap();
        id
    };
    store
        .acquire_lease(&prod, &crate::material::owner("e"), Timestamp(0), Millis(1))
        .unwrap();
    append(&mut store, &prod, 0, &[started_run(1)]);
    let plain = create_owned(&mut store, 2, "flights");
    append(&mut store, &plain, 0, &[started_run(2)]);
    create(&mut store, 3, "flights");
    let previous = |environment| {
        open()
            .previous_run(&"flights".parse().unwrap(), environment)
            .unwrap()
            .map(|run| run.id)
    };
    assert_eq!(previous(None), Some(plain));
    assert_eq!(previous(Some("prod")), Some(prod));
    assert_eq!(previous(Some("dev")), None);
}

pub(crate) fn durations_come_from_the_newest_runs(open: Open<'_>) {
    for number in 1..=3 {
        let mut store = open();
        let id = create_owned(&mut store, number, "flights");
        append(
            &mut store,
            &id,
            0,
            &[started_run(1), succeeded(2, 1, number * 100, "a")],
        );
        drop(store);
        // Another connection ends the run: what it needs to know is stored.
        append(
            &mut open(),
            &id,
            2,
            &[succeeded(3, 2, number, "b"), ended_run(4, RunOutcome::Succeeded)],
        );
    }
    let durations = open().step_durations(&"flights".parse().unwrap(), 2).unwrap();
    let of = |step: &str| durations[&step.parse::<StepName>().unwrap()].clone();
    assert_eq!(of("s1"), [Millis(300), Millis(200)]);
    assert_eq!(of("s2"), [Millis(3), Millis(2)]);
    assert_eq!(durations.len(), 2);
}
