use super::Open;
use crate::material::{create, definition, run_id};
use serde_json::json;
use trainyard_contract::{ContentHash, Timestamp};
use trainyard_store::{
    Enqueued, FiringFilter, IdempotencyKey, NewFiring, NewRun, QueueOptions, QueuedRun, RunFilter, Store,
    StoreError,
};

/// A firing that starts run `number` under a key, and leaves its trigger in the state `number`.
fn fire(store: &mut Store, number: u64, key: &str) -> Result<Vec<Option<Enqueued>>, StoreError> {
    let (id, definition, options) = (run_id(number), definition("sales", 1), QueueOptions::default());
    let pipeline = "sales".parse().unwrap();
    let firing = NewFiring {
        pipeline: &pipeline,
        trigger: "call",
        kind: "webhook",
        at: Timestamp(5),
        due: None,
        verdict: "started",
        reason: None,
        about: None,
        start: Some(QueuedRun {
            new: NewRun {
                id: &id,
                definition: &definition,
                created_at: Timestamp(5),
                by: "trigger:call",
                reason: None,
            },
            priority: 50,
            options: &options,
            key: Some(IdempotencyKey {
                scope: "trigger",
                key,
                request: ContentHash::of(key.as_bytes()),
            }),
        }),
    };
    store.keep_firings(&[firing], Some((&pipeline, "call", &json!(number))))
}

/// Runs, verdicts with the run of each, and the trigger's state.
type Kept = (usize, Vec<(String, Option<String>)>, Option<serde_json::Value>);

fn kept(store: &Store) -> Kept {
    let filter = RunFilter {
        pipeline: Some("sales".parse().unwrap()),
        limit: 10,
        ..RunFilter::default()
    };
    let firings = store.firings(&FiringFilter {
        limit: 10,
        ..FiringFilter::default()
    });
    (
        store.list_runs(&filter).unwrap().len(),
        firings
            .unwrap()
            .into_iter()
            .map(|firing| (firing.verdict, firing.run.map(|run| run.to_string())))
            .collect(),
        store.trigger_state(&"sales".parse().unwrap(), "call").unwrap(),
    )
}

pub(crate) fn a_run_is_kept_with_its_firing_and_the_state_of_its_trigger_or_none_of_them(open: Open<'_>) {
    let mut store = open();
    assert_eq!(fire(&mut store, 1, "a").unwrap(), [Some(Enqueued::New)]);
    let first = Some(run_id(1).to_string());
    let before = (1, vec![("started".to_owned(), first)], Some(json!(1)));
    assert_eq!(kept(&open()), before);
    // A run that cannot be kept takes its firing and the state with it.
    create(&mut store, 2, "other");
    assert!(matches!(fire(&mut store, 2, "b"), Err(StoreError::RunExists(_))));
    assert_eq!(kept(&open()), before);
}

pub(crate) fn a_firing_under_a_known_key_is_kept_as_repeated(open: Open<'_>) {
    let mut store = open();
    fire(&mut store, 1, "a").unwrap();
    assert_eq!(
        fire(&mut store, 2, "a").unwrap(),
        [Some(Enqueued::Repeated(run_id(1)))]
    );
    let first = Some(run_id(1).to_string());
    let (runs, firings, state) = kept(&open());
    assert_eq!((runs, state), (1, Some(json!(2))));
    assert_eq!(
        firings,
        [
            ("repeated".to_owned(), first.clone()),
            ("started".to_owned(), first)
        ]
    );
}
