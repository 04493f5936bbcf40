use super::Open;
use crate::material::{create_owned, draft, run_id, started, started_run};
use std::collections::BTreeSet;
use std::thread;
use trainyard_contract::task::ModelDraft;
use trainyard_contract::{RunId, Timestamp};
use trainyard_store::{RegisteredVersion, Store, StoreError};

/// Registers in a turn with one event; `seq` events are there before.
fn register(
    store: &mut Store,
    run: &RunId,
    seq: u64,
    instance: &str,
    draft: &ModelDraft,
) -> RegisteredVersion {
    let mut turn = store.begin().unwrap();
    let registered = turn
        .register_model(run, instance, draft, Timestamp(seq as i64))
        .unwrap();
    turn.append(run, 1, seq, &[started_run(seq as i64)]).unwrap();
    turn.commit().unwrap();
    registered
}

fn version(name: &str, version: u32, new: bool) -> RegisteredVersion {
    RegisteredVersion {
        name: name.to_owned(),
        version,
        new,
    }
}

pub(crate) fn versions_count_from_one(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    assert_eq!(
        register(&mut store, &run, 0, "a", &draft("delay", "w1", None)),
        version("delay", 1, true)
    );
    assert_eq!(
        register(&mut store, &run, 1, "b", &draft("delay", "w2", None)),
        version("delay", 2, true)
    );
    assert_eq!(
        register(&mut store, &run, 2, "c", &draft("other", "w2", None)),
        version("other", 1, true)
    );
    let mut turn = store.begin().unwrap();
    turn.register_model(&run, "d", &draft("delay", "w3", None), Timestamp(3))
        .unwrap();
    drop(turn);
    assert_eq!(
        register(&mut store, &run, 3, "e", &draft("delay", "w4", None)),
        version("delay", 3, true)
    );
    let versions = open().model_versions("delay").unwrap();
    assert_eq!(
        versions.iter().map(|version| version.version).collect::<Vec<_>>(),
        [3, 2, 1]
    );
    assert_eq!(versions[2].draft, draft("delay", "w1", None));
    assert_eq!(
        (
            &versions[1].run,
            versions[1].instance.as_str(),
            versions[1].created_at
        ),
        (&run, "b", Timestamp(1))
    );
    assert_eq!(
        open().model_versions_of_run(&run).unwrap(),
        [("delay", 1), ("delay", 2), ("delay", 3), ("other", 1)]
            .map(|(name, version)| (name.to_owned(), version))
    );
}

pub(crate) fn the_same_content_keeps_its_version_and_moves_the_alias(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    register(&mut store, &run, 0, "a", &draft("delay", "w1", Some("champion")));
    register(&mut store, &run, 1, "b", &draft("delay", "w2", Some("champion")));
    let later = create_owned(&mut store, 2, "flights");
    let again = register(
        &mut store,
        &later,
        0,
        "a",
        &draft("delay", "w1", Some("champion")),
    );
    assert_eq!(again, version("delay", 1, false));
    assert_eq!(open().model_version("delay", "champion").unwrap().version, 1);
    assert_eq!(open().model_versions("delay").unwrap().len(), 2);
}

pub(crate) fn a_step_instance_registers_once(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    register(&mut store, &run, 0, "a", &draft("delay", "w1", Some("champion")));
    register(&mut store, &run, 1, "b", &draft("delay", "w2", Some("champion")));
    let repeated = register(&mut store, &run, 2, "a", &draft("delay", "w1", Some("champion")));
    assert_eq!(repeated, version("delay", 1, false));
    assert_eq!(
        open().model_version("delay", "champion").unwrap().version,
        2,
        "the alias stays"
    );
    let second_output = ModelDraft {
        output: "twin".to_owned(),
        ..draft("delay", "w4", None)
    };
    assert_eq!(
        register(&mut store, &run, 3, "a", &second_output),
        version("delay", 3, true)
    );
}

pub(crate) fn a_step_that_was_chosen_to_run_again_registers_what_it_makes_then(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    register(&mut store, &run, 0, "a", &draft("delay", "w1", Some("champion")));
    let again = draft("delay", "w2", Some("champion"));
    assert_eq!(
        register(&mut store, &run, 1, "a", &again),
        version("delay", 2, true)
    );
    assert_eq!(open().model_version("delay", "champion").unwrap().version, 2);
    assert_eq!(
        register(&mut store, &run, 2, "a", &again),
        version("delay", 2, false)
    );
}

pub(crate) fn an_effect_without_an_event_is_refused(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    for events in [None, Some(&[][..])] {
        let mut turn = store.begin().unwrap();
        turn.register_model(&run, "a", &draft("delay", "w1", None), Timestamp(1))
            .unwrap();
        if let Some(events) = events {
            turn.append(&run, 1, 0, events).unwrap();
        }
        assert!(matches!(turn.commit(), Err(StoreError::EffectWithoutEvent(refused)) if refused == run));
    }
    assert_eq!(open().models().unwrap(), []);
    let mut turn = store.begin().unwrap();
    turn.append(&run, 1, 0, &[started_run(1)]).unwrap();
    turn.register_model(&run, "a", &draft("delay", "w1", None), Timestamp(1))
        .unwrap();
    turn.commit().unwrap();
    assert_eq!(open().models().unwrap().len(), 1, "in either order");
}

pub(crate) fn concurrent_writers_leave_no_hole_and_no_double(open: Open<'_>) {
    const EACH: u64 = 40;
    let mut store = open();
    // Two engines that both believe to own the run: one of each pair of turns must lose.
    let contested = create_owned(&mut store, 1000, "flights");
    let own: Vec<RunId> = (0..2)
        .map(|writer| create_owned(&mut store, writer, "flights"))
        .collect();
    let (own, contested) = (&own, &contested);
    thread::scope(|scope| {
        for (writer, own) in own.iter().enumerate() {
            scope.spawn(move || {
                let mut store = open();
                for seq in 0..EACH {
                    let content = format!("{writer} {seq}");
                    register(
                        &mut store,
                        own,
                        seq,
                        &format!("i{seq}"),
                        &draft("delay", &content, Some("champion")),
                    );
                    let mut turn = store.begin().unwrap();
                    let shared = draft("shared", &content, None);
                    turn.register_model(contested, &format!("i{seq}"), &shared, Timestamp(1))
                        .unwrap();
                    match turn.append(contested, 1, seq, &[started(1, 0, None)]) {
                        Ok(()) => turn.commit().unwrap(),
                        Err(StoreError::Conflict { .. }) => drop(turn),
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    let store = open();
    let numbers = |name: &str| -> BTreeSet<u32> {
        store
            .model_versions(name)
            .unwrap()
            .iter()
            .map(|version| version.version)
            .collect()
    };
    assert_eq!(numbers("delay"), (1..=2 * EACH as u32).collect());
    let events = store.load_run(contested).unwrap().events.len() as u32;
    assert!(events > 0);
    assert_eq!(
        numbers("shared"),
        (1..=events).collect(),
        "one version for each event that was kept"
    );
}

pub(crate) fn aliases_move_and_go(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    register(&mut store, &run, 0, "a", &draft("delay", "w1", Some("champion")));
    register(&mut store, &run, 1, "b", &draft("delay", "w2", None));
    assert_eq!(
        store
            .set_alias("delay", "challenger", "latest", Timestamp(5))
            .unwrap(),
        2
    );
    assert_eq!(
        store
            .set_alias("delay", "best", "champion", Timestamp(5))
            .unwrap(),
        1
    );
    let model = open().models().unwrap().remove(0);
    assert_eq!((model.name.as_str(), model.latest), ("delay", 2));
    assert_eq!(
        model.aliases,
        [("best", 1), ("challenger", 2), ("champion", 1)].map(|(alias, version)| (alias.to_owned(), version))
    );
    assert_eq!(
        open().model_version("delay", "1").unwrap().aliases,
        ["best", "champion"]
    );
    assert!(store.delete_alias("delay", "best").unwrap());
    assert!(!store.delete_alias("delay", "best").unwrap());
    for missing in ["3", "0", "nobody"] {
        let refused = store.set_alias("delay", "x", missing, Timestamp(6));
        assert!(
            matches!(refused, Err(StoreError::NoModelVersion { .. })),
            "{missing}: {refused:?}"
        );
    }
    for bad in ["", "7", "latest", "a b", "../x", "é", &"x".repeat(64)] {
        let refused = store.set_alias("delay", bad, "1", Timestamp(6));
        assert!(
            matches!(refused, Err(StoreError::InvalidAlias(_))),
            "{bad}: {refused:?}"
        );
    }
}

pub(crate) fn a_version_is_found_by_number_alias_and_latest(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    register(&mut store, &run, 0, "a", &draft("delay", "w1", Some("champion")));
    register(&mut store, &run, 1, "b", &draft("delay", "w2", None));
    let find = |version: &str| open().model_version("delay", version).map(|found| found.version);
    assert_eq!(find("1").unwrap(), 1);
    assert_eq!(find("champion").unwrap(), 1);
    assert_eq!(find("latest").unwrap(), 2);
    assert!(matches!(find("9"), Err(StoreError::NoModelVersion { .. })));
    assert!(matches!(find("nobody"), Err(StoreError::NoModelVersion { .. })));
    assert!(matches!(
        open().model_version("none", "1"),
        Err(StoreError::NoModel(_))
    ));
    assert!(matches!(
        open().model_versions_of_run(&run_id(99)),
        Err(StoreError::NoRun(_))
    ));
}
