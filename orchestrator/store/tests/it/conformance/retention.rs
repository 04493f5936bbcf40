use super::Open;
use crate::material::{
    append, artifact, at, create, create_owned, definition, draft, ended_run, run_id, started, started_run,
    succeeded,
};
use std::collections::BTreeSet;
use std::time::Duration;
use trainyard_contract::{ArtifactKind, ContentHash, Millis, OutputValue, RunId, Timestamp};
use trainyard_domain::plan::Month;
use trainyard_domain::run::{CachePolicy, Event, RunDefinition, RunOutcome, What};
use trainyard_store::{
    FiringFilter, IdempotencyKey, LineageEdge, LineageGraph, LineageNode, NewFiring, NewRun, QueueOptions,
    QueuedRun, Removable, Request, Store, StoreError, Walked,
};

/// Now; runs ended long ago.
const NOW: Timestamp = Timestamp(1_000_000_000);

/// All that ended, but the newest one of each pipeline and environment.
pub(crate) const ALL: Removable = Removable {
    ended_before: NOW,
    keep_last: 1,
};

/// Removes all that may go, with everything it leaves. Gives how many runs are gone.
pub(crate) fn sweep(store: &mut Store, rule: Removable) -> u64 {
    let mut gone = 0;
    let mut from = Some(Walked::default());
    while let Some(place) = from {
        let found = store.removable_runs(rule, place, 3, NOW).unwrap();
        gone += store.remove_runs(&found.runs, rule, NOW).unwrap();
        from = found.next;
    }
    while again(|| store.clear_removed(3)).more {}
    gone
}

fn id(store: &Store, run: &RunId) -> Option<RunId> {
    match store.find_run(run.as_str()) {
        Ok(found) => Some(found),
        Err(StoreError::Removed { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// A run that ended at `time` and made `content` under `key`.
pub(crate) fn ended(
    store: &mut Store,
    number: u64,
    pipeline: &str,
    time: i64,
    content: &str,
    key: &str,
) -> RunId {
    let id = create_owned(store, number, pipeline);
    let events = [
        started_run(time),
        started(time, 1, Some(key)),
        succeeded(time, 1, 7, content),
        ended_run(time, RunOutcome::Succeeded),
    ];
    let mut turn = store.begin().unwrap();
    turn.append(&id, 1, 0, &events).unwrap();
    turn.write_lineage(&id, &edges(&id, content)).unwrap();
    turn.commit().unwrap();
    id
}

/// A dataset that was read, and what came of it.
fn edges(run: &RunId, content: &str) -> Vec<LineageEdge> {
    let step = LineageNode::Step {
        run: run.clone(),
        instance: "s1".to_owned(),
    };
    let dataset = LineageNode::Dataset {
        name: "flights".to_owned(),
    };
    let pairs = [
        (LineageNode::Run { run: run.clone() }, step.clone()),
        (dataset, version(content)),
        (version(content), step.clone()),
        (step, made(content)),
        (column(content), made(content)),
        (
            LineageNode::DatasetColumn {
                dataset: "flights".to_owned(),
                column: "delay".to_owned(),
            },
            column(content),
        ),
    ];
    pairs
        .map(|(source, target)| LineageEdge {
            source,
            target,
            derived: true,
        })
        .to_vec()
}

fn hash(content: &str) -> ContentHash {
    ContentHash::of(content.as_bytes())
}

fn version(content: &str) -> LineageNode {
    LineageNode::DatasetVersion {
        name: "flights".to_owned(),
        content: hash(content),
    }
}

fn made(content: &str) -> LineageNode {
    LineageNode::Artifact { hash: hash(content) }
}

fn column(content: &str) -> LineageNode {
    LineageNode::ArtifactColumn {
        hash: hash(content),
        column: "delay".to_owned(),
    }
}

fn queued(store: &mut Store, number: u64, definition: &RunDefinition) -> RunId {
    let id = run_id(number);
    let queued = QueuedRun {
        new: NewRun {
            id: &id,
            definition,
            created_at: Timestamp(1),
            by: "ada",
            reason: None,
        },
        priority: 50,
        options: &QueueOptions::default(),
        key: Some(IdempotencyKey {
            scope: "api",
            key: "once",
            request: hash("request"),
        }),
    };
    let firing = NewFiring {
        pipeline: &definition.pipeline,
        trigger: "nightly",
        kind: "schedule",
        at: Timestamp(number as i64),
        due: None,
        verdict: "started",
        reason: None,
        start: Some(queued),
        about: None,
    };
    store.keep_firings(&[firing], None).unwrap();
    id
}

fn firings(store: &Store) -> Vec<Option<RunId>> {
    let filter = FiringFilter {
        limit: 10,
        ..FiringFilter::default()
    };
    let found = store.firings(&filter).unwrap();
    found.into_iter().map(|firing| firing.run).collect()
}

pub(crate) fn an_old_run_goes_with_everything_that_is_its_alone(open: Open<'_>) {
    let mut store = open();
    let old = queued(&mut store, 1, &definition("flights", 4));
    let owner = crate::material::owner("engine-1");
    store
        .acquire_lease(&old, &owner, open.at(0), Millis(60_000))
        .unwrap();
    let mut turn = store.begin().unwrap();
    turn.append(
        &old,
        1,
        0,
        &[
            started_run(2),
            started(3, 1, Some("key")),
            succeeded(4, 1, 7, "a"),
            ended_run(5, RunOutcome::Succeeded),
        ],
    )
    .unwrap();
    turn.write_lineage(&old, &edges(&old, "a")).unwrap();
    turn.commit().unwrap();
    let flights = "flights".parse().unwrap();
    let kept = ended(&mut store, 2, "flights", 6, "b", "other");
    let used = store
        .month_usage(&flights, None, Month::of(Timestamp(5)))
        .unwrap();
    let before = open().lineage_down(&made("b"), 9, 99).unwrap();

    assert_eq!(sweep(&mut store, ALL), 1);

    let store = open();
    let removed = store.find_run(old.as_str()).unwrap_err();
    assert!(
        matches!(&removed, StoreError::Removed { run, at } if *run == old && *at == NOW),
        "{removed}"
    );
    assert!(matches!(store.load_run(&old), Err(StoreError::NoRun(_))));
    assert_eq!(store.reusable(&hash("key"), None).unwrap(), None);
    assert_eq!(store.artifact_origins(&hash("a"), 9).unwrap(), []);
    assert_eq!(store.run_of_key("api", "once").unwrap(), None);
    assert_eq!(firings(&store), [None], "the firing stays and names no run");
    for node in [
        made("a"),
        column("a"),
        version("a"),
        LineageNode::Run { run: old.clone() },
    ] {
        assert_eq!(
            store.lineage_up(&node, 9, 99).unwrap(),
            LineageGraph::default(),
            "{node}"
        );
    }
    assert_eq!(store.lineage_of_run(&old, 99).unwrap(), LineageGraph::default());
    assert_eq!(
        store
            .month_usage(&flights, None, Month::of(Timestamp(5)))
            .unwrap()
            .core_ms,
        used.core_ms,
        "what it has used stays counted"
    );
    assert_eq!(store.load_run(&kept).unwrap().events.len(), 4);
    assert_eq!(store.lineage_down(&made("b"), 9, 99).unwrap(), before);
    assert_eq!(store.damage().unwrap(), Vec::<String>::new());
}

pub(crate) fn the_last_runs_and_the_last_success_of_each_environment_stay(open: Open<'_>) {
    let mut store = open();
    let mut runs = Vec::new();
    for (number, outcome) in [
        (1, RunOutcome::Succeeded),
        (2, RunOutcome::Succeeded),
        (3, RunOutcome::Failed),
        (4, RunOutcome::Cancelled),
        (5, RunOutcome::Failed),
    ] {
        let id = create_owned(&mut store, number, "flights");
        append(&mut store, &id, 0, &[started_run(1), ended_run(2, outcome)]);
        runs.push(id);
    }
    let elsewhere = run_id(6);
    let mut production = definition("flights", 1);
    production.environment = Some("production".to_owned());
    store
        .create_run(&NewRun {
            id: &elsewhere,
            definition: &production,
            created_at: Timestamp(1),
            by: "ada",
            reason: None,
        })
        .unwrap();
    let rule = Removable { keep_last: 2, ..ALL };
    assert_eq!(sweep(&mut store, rule), 2);
    let kept: Vec<bool> = runs.iter().map(|run| id(&store, run).is_some()).collect();
    assert_eq!(kept, [false, true, false, true, true]);
    assert_eq!(id(&store, &elsewhere), Some(elsewhere));
}

pub(crate) fn a_run_that_something_needs_stays(open: Open<'_>) {
    let mut store = open();
    let open_one = create_owned(&mut store, 1, "flights");
    append(&mut store, &open_one, 0, &[started_run(1)]);
    let queued_one = create(&mut store, 2, "flights");
    let registered = ended(&mut store, 3, "flights", 1, "model", "k3");
    let mut turn = store.begin().unwrap();
    turn.append(&registered, 1, 4, &[started(2, 2, None)]).unwrap();
    turn.register_model(&registered, "s2", &draft("delay", "model", None), Timestamp(2))
        .unwrap();
    turn.commit().unwrap();
    let asked = ended(&mut store, 4, "flights", 1, "asked", "k4");
    store
        .post_request(&asked, &Request::Cancel { by: "ada".to_owned() }, Timestamp(3))
        .unwrap();
    let leased = ended(&mut store, 5, "flights", 1, "leased", "k5");
    let owner = crate::material::owner("engine-2");
    store
        .acquire_lease(&leased, &owner, open.at(3), Millis(60_000))
        .unwrap();
    let young = ended(&mut store, 6, "flights", NOW.0, "young", "k6");
    let plain = ended(&mut store, 7, "flights", 1, "plain", "k7");
    let last = ended(&mut store, 8, "flights", 1, "last", "k8");
    assert_eq!(sweep(&mut store, ALL), 1);
    assert_eq!(id(&store, &plain), None);
    for run in [open_one, queued_one, registered, asked, leased, young, last] {
        assert_eq!(id(&store, &run), Some(run));
    }
    // The model's lineage is whole.
    assert_eq!(store.lineage_up(&made("model"), 9, 99).unwrap().nodes.len(), 7);
}

pub(crate) fn a_run_stays_as_long_as_its_snapshot_is_the_present_one(open: Open<'_>) {
    let mut store = open();
    let write = |store: &mut Store, run: &RunId, content: &str, base: Option<&str>, sequence| {
        let draft = super::features::weather(content, base, sequence);
        let mut turn = store.begin().unwrap();
        turn.append(run, 1, 4, &[started(2, 2, None)]).unwrap();
        turn.write_features(run, "s2", None, &draft, Timestamp(2))
            .unwrap();
        turn.commit().unwrap();
    };
    let first = ended(&mut store, 1, "flights", 1, "a", "k1");
    write(&mut store, &first, "s1", None, 1);
    let second = ended(&mut store, 2, "flights", 1, "b", "k2");
    let last = ended(&mut store, 3, "flights", 1, "c", "k3");
    assert_eq!(sweep(&mut store, ALL), 1, "the second, that has written nothing");
    assert_eq!(id(&store, &first), Some(first.clone()));
    write(&mut store, &last, "s2", Some("s1"), 2);
    assert_eq!(sweep(&mut store, ALL), 1);
    assert_eq!((id(&store, &first), id(&store, &second)), (None, None));
    let snapshots = store.feature_snapshots("weather", 1, u64::MAX, 9).unwrap();
    assert_eq!(snapshots.len(), 2, "what it has written stays");
    assert_eq!(snapshots[1].run, Some(first));
}

pub(crate) fn a_run_whose_result_was_taken_stays_as_long_as_the_run_that_took_it(open: Open<'_>) {
    let mut store = open();
    let source = ended(&mut store, 1, "flights", 1, "a", "key");
    let taker = create_owned(&mut store, 2, "flights");
    let output = OutputValue::Artifact(Box::new(artifact(ArtifactKind::Table, "a")));
    let reused = What::StepReused {
        step: 1,
        key: hash("key"),
        from: source.clone(),
        outputs: [("table".to_owned(), output)].into_iter().collect(),
        metrics: Default::default(),
        headline: None,
    };
    append(
        &mut store,
        &taker,
        0,
        &[started_run(2), at(2, reused), ended_run(3, RunOutcome::Succeeded)],
    );
    assert_eq!(sweep(&mut store, ALL), 0);
    assert!(store.reusable(&hash("key"), None).unwrap().is_some());
    ended(&mut store, 3, "flights", 4, "b", "other");
    // First the one that took it, and at the next look its source.
    assert_eq!(sweep(&mut store, ALL) + sweep(&mut store, ALL), 2);
    assert_eq!((id(&store, &taker), id(&store, &source)), (None, None));
}

pub(crate) fn a_result_holds_by_the_ttl_of_its_step(open: Open<'_>) {
    let mut store = open();
    let old = run_id(1);
    let mut with_ttl = definition("flights", 2);
    with_ttl.instances[1].cache = CachePolicy::On {
        code: true,
        inputs: true,
        with: true,
        ttl: Some(Millis(1_000)),
    };
    store
        .create_run(&NewRun {
            id: &old,
            definition: &with_ttl,
            created_at: Timestamp(1),
            by: "ada",
            reason: None,
        })
        .unwrap();
    append_unowned(
        &mut store,
        &old,
        &[started_run(1), ended_run(1_000, RunOutcome::Succeeded)],
    );
    ended(&mut store, 2, "flights", 1, "b", "other");
    let look = |now| {
        let found = store.removable_runs(ALL, Walked::default(), 9, Timestamp(now));
        found.unwrap().runs
    };
    assert_eq!(look(1_000_999), []);
    assert_eq!(look(1_001_000), [old]);
}

fn append_unowned(store: &mut Store, run: &RunId, events: &[Event]) {
    let mut turn = store.begin().unwrap();
    turn.append(run, 0, 0, events).unwrap();
    turn.commit().unwrap();
}

pub(crate) fn what_a_kept_run_has_too_stays(open: Open<'_>) {
    let mut store = open();
    let old = ended(&mut store, 1, "flights", 1, "same", "key");
    let kept = ended(&mut store, 2, "flights", 2, "same", "key");
    assert_eq!(sweep(&mut store, ALL), 1);
    assert_eq!(store.reusable(&hash("key"), None).unwrap().unwrap().run, kept);
    let origins = store.artifact_origins(&hash("same"), 9).unwrap();
    assert_eq!(
        origins.iter().map(|origin| &origin.run).collect::<Vec<_>>(),
        [&kept]
    );
    let up = store.lineage_up(&made("same"), 9, 99).unwrap();
    let runs: BTreeSet<_> = up
        .nodes
        .iter()
        .filter_map(|(node, _)| match node {
            LineageNode::Run { run } => Some(run.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(runs, BTreeSet::from([kept]));
    assert!(up.nodes.iter().any(|(node, _)| *node == version("same")));
    assert_eq!(id(&store, &old), None);
}

pub(crate) fn a_removal_goes_on_where_it_was_left(open: Open<'_>) {
    let mut store = open();
    for number in 1..=4 {
        ended(
            &mut store,
            number,
            "flights",
            number as i64,
            &format!("c{number}"),
            &format!("k{number}"),
        );
    }
    let kept = open().load_run(&run_id(4)).unwrap();
    let found = store.removable_runs(ALL, Walked::default(), 9, NOW).unwrap();
    assert_eq!(found.next, None);
    assert_eq!(store.remove_runs(&found.runs, ALL, NOW).unwrap(), 3);
    drop(store);
    // Each transaction in a process of its own, which dies after it.
    let mut events = 0;
    loop {
        let mut store = open();
        assert_eq!(store.damage().unwrap(), Vec::<String>::new());
        assert_eq!(store.load_run(&run_id(4)).unwrap(), kept);
        assert_eq!(
            store.reusable(&hash("k1"), None).unwrap(),
            None,
            "the run is gone at once"
        );
        assert_eq!(store.artifact_origins(&hash("c1"), 9).unwrap(), []);
        let cleared = store.clear_removed(1).unwrap();
        events += cleared.events;
        if !cleared.more {
            break;
        }
    }
    assert_eq!(events, 12);
    assert_eq!(
        open().lineage_up(&made("c3"), 9, 99).unwrap(),
        LineageGraph::default()
    );
    assert_eq!(open().lineage_up(&made("c4"), 9, 99).unwrap().nodes.len(), 7);
    // What was done is not done again.
    assert_eq!(open().remove_runs(&found.runs, ALL, NOW).unwrap(), 0);
}

pub(crate) fn a_run_that_came_to_be_needed_is_not_removed(open: Open<'_>) {
    let mut store = open();
    let old = ended(&mut store, 1, "flights", 1, "a", "k1");
    ended(&mut store, 2, "flights", 2, "b", "k2");
    let found = store.removable_runs(ALL, Walked::default(), 9, NOW).unwrap();
    assert_eq!(found.runs, std::slice::from_ref(&old));
    open()
        .post_request(&old, &Request::Cancel { by: "ada".to_owned() }, Timestamp(3))
        .unwrap();
    assert_eq!(store.remove_runs(&found.runs, ALL, NOW).unwrap(), 0);
    assert_eq!(store.load_run(&old).unwrap().events.len(), 4);
}

pub(crate) fn removed_runs_are_known_by_id_and_end(open: Open<'_>) {
    let mut store = open();
    let old = ended(&mut store, 1, "flights", 1, "a", "k1");
    ended(&mut store, 2, "flights", 2, "b", "k2");
    sweep(&mut store, ALL);
    for text in [old.as_str(), old.short()] {
        assert_eq!(store.removed_run(text).unwrap().unwrap().run, old, "{text}");
    }
    for text in ["", "latest", "%", "____", "zzzzzzzz"] {
        assert_eq!(store.removed_run(text).unwrap(), None, "{text}");
    }
    let listed = store.removed_runs(0, 9).unwrap();
    assert_eq!(listed.iter().map(|(_, run)| run).collect::<Vec<_>>(), [&old]);
    assert_eq!(store.removed_runs(listed[0].0, 9).unwrap(), []);
}

pub(crate) fn old_firings_go(open: Open<'_>) {
    let mut store = open();
    let name = "flights".parse().unwrap();
    for time in 1..=5 {
        let firing = NewFiring {
            pipeline: &name,
            trigger: "nightly",
            kind: "schedule",
            at: Timestamp(time),
            due: None,
            verdict: "skipped",
            reason: None,
            start: None,
            about: None,
        };
        store.keep_firings(&[firing], None).unwrap();
    }
    assert_eq!(store.remove_firings(Timestamp(4), 2).unwrap(), 2);
    assert_eq!(store.remove_firings(Timestamp(4), 2).unwrap(), 1);
    assert_eq!(store.remove_firings(Timestamp(4), 2).unwrap(), 0);
    assert_eq!(firings(&store).len(), 2);
}

/// While runs are written that have content and data in common with those that go.
pub(crate) fn nothing_is_lost_while_many_write_and_remove(open: Open<'_>) {
    const EACH: u64 = 30;
    std::thread::scope(|scope| {
        for writer in 0..2 {
            scope.spawn(move || {
                let mut store = open();
                let pipeline = format!("p{writer}");
                for number in 0..EACH {
                    let number = 1 + writer * 1_000 + number;
                    ended(&mut store, number, &pipeline, 1, "shared", "key");
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(move || {
                let mut store = open();
                for _ in 0..EACH {
                    let found = store.removable_runs(ALL, Walked::default(), 5, NOW).unwrap();
                    again(|| store.remove_runs(&found.runs, ALL, NOW));
                    again(|| store.clear_removed(20));
                    // As a sweep does, or others would not get their turn on SQLite.
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
        }
    });
    let mut store = open();
    sweep(&mut store, ALL);
    let left = store.list_runs(&Default::default()).unwrap();
    let pipelines: Vec<&str> = left.iter().map(|run| run.pipeline.as_str()).collect();
    assert_eq!(
        pipelines.iter().collect::<BTreeSet<_>>().len(),
        2,
        "{pipelines:?}"
    );
    assert_eq!(pipelines.len(), 2, "{pipelines:?}");
    assert!(store.reusable(&hash("key"), None).unwrap().is_some());
    // What both have made, and all that it came of: data, column, step and run of each.
    let up = store.lineage_up(&made("shared"), 9, 99).unwrap();
    assert_eq!(up.nodes.len(), 9, "{:?}", up.nodes);
    assert_eq!(store.damage().unwrap(), Vec::<String>::new());
}

/// Until nobody is in the way.
fn again<T>(mut work: impl FnMut() -> Result<T, StoreError>) -> T {
    loop {
        match work() {
            Err(StoreError::Busy { .. }) => {}
            done => return done.unwrap(),
        }
    }
}
