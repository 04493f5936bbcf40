//! The engine over a real store and a scripted executor.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test or bench fails by panicking and tells by printing"
)]

#[path = "engine/ahead.rs"]
mod ahead;
#[path = "engine/bounds.rs"]
mod bounds;
#[path = "engine/pools.rs"]
mod pools;
#[path = "engine/several.rs"]
mod several;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::mpsc::channel;
use trainyard_contract::task::{EffectRequest, Limits, ModelDraft, OutputDeclaration, TaskReport};
use trainyard_contract::{
    ArtifactKind, ArtifactRef, ContentHash, FailureClass, Millis, OutputValue, RunId, Timestamp,
};
use trainyard_domain::run::{
    BoundInput, BoundProcess, CachePolicy, Condition, DEFINITION_VERSION, Event, Instance, RetryPolicy,
    RunDefinition, RunOutcome, RunStatus, RunnerKind, StepState, Upstream, What,
};
use trainyard_engine::{Driven, Engine, Interrupts, Observation, Setup};
use trainyard_executors::{FakeAnswer, FakeExecutor, FakeHandle};
use trainyard_store::{Home, Owner, Request};

/// Moves a millisecond each time it is read, so that a timer comes due by being waited for.
static CLOCK: AtomicI64 = AtomicI64::new(1_700_000_000_000_000);

fn clock() -> Timestamp {
    Timestamp(CLOCK.fetch_add(1_000, Ordering::Relaxed))
}

fn instance(name: &str, upstream: &[u32]) -> Instance {
    Instance {
        name: name.to_owned(),
        step: name.parse().unwrap(),
        uses: "debug.noop@v1".to_owned(),
        runner: RunnerKind::Worker,
        effect: None,
        revision: 1,
        matrix: Map::new(),
        upstream: upstream
            .iter()
            .map(|ix| Upstream {
                instance: *ix,
                data: false,
            })
            .collect(),
        inputs: IndexMap::new(),
        outputs: IndexMap::new(),
        with: json!({ "name": name }),
        condition: Condition::Always,
        process: None,
        secrets: Default::default(),
        memory: None,
        retry: RetryPolicy::default(),
        limits: Limits::default(),
        pool: None,
        cache: CachePolicy::Off,
        continue_on_error: false,
        tolerated_by: None,
        matrix_limits: None,
        for_each: None,
        repeat: None,
        approval: None,
        hook: None,
        tags: Vec::new(),
    }
}

fn chain(names: &[&str]) -> RunDefinition {
    let instances = names.iter().enumerate().map(|(ix, name)| {
        let before: Vec<u32> = ix
            .checked_sub(1)
            .map(|ix| u32::try_from(ix).unwrap())
            .into_iter()
            .collect();
        instance(name, &before)
    });
    RunDefinition {
        version: DEFINITION_VERSION,
        pipeline: "test".parse().unwrap(),
        pipeline_hash: ContentHash::of(b"test"),
        file: "test.yaml".to_owned(),
        documents: Vec::new(),
        code: None,
        owner: None,
        cost_center: None,
        environment: None,
        params: IndexMap::new(),
        vars: Map::new(),
        trigger: Value::Null,
        caller: None,
        seed: 1,
        contracts: BTreeMap::new(),
        datasets: IndexMap::new(),
        files: BTreeMap::new(),
        instances: instances.collect(),
        bounds: Default::default(),
        concurrency: None,
        priority: None,
        pools: BTreeMap::new(),
        not_obeyed: Vec::new(),
        as_written: IndexMap::new(),
        sections: None,
        reproduces: None,
    }
}

/// A chain of commands: each begins only when the end of the one before is stored.
fn commands(names: &[&str]) -> RunDefinition {
    let mut definition = chain(names);
    for instance in &mut definition.instances {
        instance.process = Some(command());
    }
    definition
}

fn command() -> BoundProcess {
    BoundProcess {
        argv: vec!["true".to_owned()],
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        image: None,
        code: Vec::new(),
    }
}

fn id(number: u8) -> RunId {
    RunId::from_parts(1_700_000_000_000, [number; 10])
}

/// An engine on a home, and its executor's strings.
fn engine(folder: &Path) -> (Engine, FakeHandle) {
    let (sender, news) = channel();
    let (executor, handle) = FakeExecutor::new(sender);
    let engine = Engine::new(Setup {
        home: Home::open(folder).unwrap(),
        executor: Box::new(executor),
        news,
        project: folder.to_owned(),
        owner: Owner::this_process("test"),
        reuse: true,
        clock,
    });
    (engine.unwrap(), handle)
}

fn quiet() -> Interrupts {
    Arc::new(AtomicU32::new(0))
}

#[test]
fn a_chain_runs_in_order_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, handle) = engine(folder.path());
    let mut shown = Vec::new();
    let mut observer = |observation: Observation<'_>| {
        if let Observation::Event { event, .. } = observation {
            shown.push(event.clone());
        }
    };
    engine
        .start(id(1), chain(&["a", "b", "c"]), "ada", None, &mut observer)
        .unwrap();
    assert_eq!(
        engine.drive(&mut observer, &quiet(), false).unwrap(),
        Driven::AllEnded
    );
    assert_eq!(
        engine.run(&id(1)).unwrap().status(),
        RunStatus::Ended(RunOutcome::Succeeded)
    );
    let order: Vec<u32> = handle.submitted().iter().map(|key| key.step).collect();
    assert_eq!(order, [0, 1, 2]);
    let stored = Home::open(folder.path())
        .unwrap()
        .store()
        .unwrap()
        .load_run(&id(1))
        .unwrap();
    assert_eq!(stored.events, shown, "what is shown is what is stored");
}

/// What another process would find of the run at this moment.
fn stored_events(home: &Path) -> Vec<Event> {
    let store = Home::open(home).unwrap().store();
    store.unwrap().load_run(&id(1)).unwrap().events
}

#[test]
fn nothing_is_shown_before_it_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, _handle) = engine(folder.path());
    let mut seen = 0;
    let mut observer = |observation: Observation<'_>| {
        if let Observation::Event { event, .. } = observation {
            assert!(
                stored_events(folder.path()).contains(event),
                "shown before it was stored"
            );
            seen += 1;
        }
    };
    engine
        .start(id(1), chain(&["a", "b"]), "ada", None, &mut observer)
        .unwrap();
    engine.drive(&mut observer, &quiet(), false).unwrap();
    assert!(seen > 4);
}

#[test]
fn what_could_change_something_begins_only_when_its_start_is_stored() {
    for (effect, process) in [(Some("registry".to_owned()), None), (None, Some(command()))] {
        let folder = tempfile::tempdir().unwrap();
        let (mut engine, handle) = engine(folder.path());
        let home = folder.path().to_owned();
        handle.script(
            "a",
            FakeAnswer::Report(Box::new(move |_, spec| {
                let is_start = |event: &Event| matches!(event.what, What::AttemptStarted { step: 0, .. });
                assert!(
                    stored_events(&home).iter().any(is_start),
                    "submitted before its start was stored"
                );
                report(spec)
            })),
        );
        let mut definition = chain(&["a"]);
        definition.instances[0].effect = effect;
        definition.instances[0].process = process;
        engine.start(id(1), definition, "ada", None, &mut |_| {}).unwrap();
        engine.drive(&mut |_| {}, &quiet(), false).unwrap();
        assert_eq!(handle.submitted().len(), 1);
    }
}

fn report(spec: &trainyard_contract::TaskSpec) -> TaskReport {
    TaskReport {
        version: spec.version,
        run: spec.run.clone(),
        instance: spec.instance.clone(),
        attempt: spec.attempt,
        epoch: spec.epoch,
        failure: None,
        outputs: IndexMap::new(),
        metrics: IndexMap::new(),
        curves: IndexMap::new(),
        lineage: Vec::new(),
        effects: Vec::new(),
        headline: None,
        resources: Default::default(),
    }
}

#[test]
fn after_a_crash_finished_steps_do_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (mut engine, handle) = engine(folder.path());
        handle.script("b", FakeAnswer::Hold);
        let interrupts = quiet();
        let raise = interrupts.clone();
        let mut observer = move |observation: Observation<'_>| {
            if let Observation::Event { event, .. } = observation
                && matches!(event.what, What::AttemptStarted { step: 1, .. })
            {
                raise.store(1, Ordering::Relaxed);
            }
        };
        engine
            .start(id(1), chain(&["a", "b", "c"]), "ada", None, &mut observer)
            .unwrap();
        assert_eq!(
            engine.drive(&mut observer, &interrupts, false).unwrap(),
            Driven::Interrupted
        );
    }
    let (mut engine, handle) = engine(folder.path());
    engine.resume(&id(1), &mut |_| {}).unwrap();
    assert_eq!(
        engine.drive(&mut |_| {}, &quiet(), false).unwrap(),
        Driven::AllEnded
    );
    let again: Vec<(u32, u32)> = handle
        .submitted()
        .iter()
        .map(|key| (key.step, key.attempt))
        .collect();
    assert_eq!(again, [(1, 2), (2, 1)]);
}

#[test]
fn two_engines_never_have_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, handle) = engine(folder.path());
    handle.script("a", FakeAnswer::Hold);
    first
        .start(id(1), chain(&["a"]), "ada", None, &mut |_| {})
        .unwrap();
    let (mut second, other) = engine(folder.path());
    assert!(second.resume(&id(1), &mut |_| {}).is_err());
    assert!(other.submitted().is_empty());
}

#[test]
fn a_failed_branch_does_not_stop_an_independent_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, handle) = engine(folder.path());
    let mut definition = chain(&["bad", "blocked"]);
    definition.instances.push(instance("good", &[]));
    handle.script("bad", FakeAnswer::failure(FailureClass::Rejected, "no"));
    engine.start(id(1), definition, "ada", None, &mut |_| {}).unwrap();
    engine.drive(&mut |_| {}, &quiet(), false).unwrap();
    let run = engine.run(&id(1)).unwrap();
    assert_eq!(run.status(), RunStatus::Ended(RunOutcome::Failed));
    assert!(matches!(run.step(1), StepState::Skipped { .. }));
    assert!(matches!(run.step(2), StepState::Succeeded { .. }));
}

#[test]
fn a_model_is_registered_in_the_transaction_of_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, handle) = engine(folder.path());
    let mut definition = chain(&["register", "after"]);
    let declared = OutputDeclaration {
        kind: ArtifactKind::ModelVersion,
        contract: None,
        input_schema: None,
        output_schema: None,
        path: None,
    };
    definition.instances[0]
        .outputs
        .insert("version".to_owned(), declared);
    handle.script(
        "register",
        FakeAnswer::Report(Box::new(|_, spec| TaskReport {
            effects: vec![EffectRequest::RegisterModel(Box::new(ModelDraft {
                output: "version".to_owned(),
                name: "m".to_owned(),
                alias: None,
                model: ArtifactRef {
                    kind: ArtifactKind::Model,
                    hash: ContentHash::of(b"model"),
                    size: 5,
                    media_type: "application/octet-stream".to_owned(),
                    rows: None,
                    schema: None,
                    summary: Value::Null,
                },
                signature: Value::Null,
                attachments: BTreeMap::new(),
                metrics: IndexMap::new(),
                description: None,
                tags: BTreeMap::new(),
            }))],
            ..report(spec)
        })),
    );
    engine.start(id(1), definition, "ada", None, &mut |_| {}).unwrap();
    engine.drive(&mut |_| {}, &quiet(), false).unwrap();
    let run = engine.run(&id(1)).unwrap();
    assert_eq!(run.status(), RunStatus::Ended(RunOutcome::Succeeded));
    let StepState::Succeeded { outputs, .. } = run.step(0) else {
        panic!("{:?}", run.step(0))
    };
    let Some(OutputValue::Value(version)) = outputs.get("version") else {
        panic!("{outputs:?}")
    };
    assert_eq!(version["version"], 1);
    let store = Home::open(folder.path()).unwrap().store().unwrap();
    assert_eq!(store.model_versions("m").unwrap().len(), 1);
}

#[test]
fn an_alias_that_cannot_be_fails_its_step_and_not_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, handle) = engine(folder.path());
    let mut definition = chain(&["register", "after"]);
    let declared = OutputDeclaration {
        kind: ArtifactKind::ModelVersion,
        contract: None,
        input_schema: None,
        output_schema: None,
        path: None,
    };
    definition.instances[0]
        .outputs
        .insert("version".to_owned(), declared);
    handle.script(
        "register",
        FakeAnswer::Report(Box::new(|_, spec| TaskReport {
            effects: vec![EffectRequest::RegisterModel(Box::new(ModelDraft {
                output: "version".to_owned(),
                name: "m".to_owned(),
                alias: Some("latest".to_owned()),
                model: ArtifactRef {
                    kind: ArtifactKind::Model,
                    hash: ContentHash::of(b"model"),
                    size: 5,
                    media_type: "application/octet-stream".to_owned(),
                    rows: None,
                    schema: None,
                    summary: Value::Null,
                },
                signature: Value::Null,
                attachments: BTreeMap::new(),
                metrics: IndexMap::new(),
                description: None,
                tags: BTreeMap::new(),
            }))],
            ..report(spec)
        })),
    );
    engine.start(id(1), definition, "ada", None, &mut |_| {}).unwrap();
    engine.drive(&mut |_| {}, &quiet(), false).unwrap();
    let run = engine.run(&id(1)).unwrap();
    assert_eq!(run.status(), RunStatus::Ended(RunOutcome::Failed));
    let StepState::Failed { failure, .. } = run.step(0) else {
        panic!("{:?}", run.step(0))
    };
    assert!(failure.message.contains("latest"), "{failure:?}");
}

#[test]
fn a_step_of_the_same_key_is_reused_and_a_changed_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let cached = |value: u32| {
        let mut definition = chain(&["a", "b"]);
        definition.instances[0].with = json!({ "value": value });
        for instance in &mut definition.instances {
            instance.cache = CachePolicy::On {
                code: true,
                inputs: true,
                with: true,
                ttl: None,
            };
        }
        definition
    };
    let mut ran = Vec::new();
    for (number, value) in [(1, 5), (2, 5), (3, 6)] {
        let (mut engine, handle) = engine(folder.path());
        engine
            .start(id(number), cached(value), "ada", None, &mut |_| {})
            .unwrap();
        engine.drive(&mut |_| {}, &quiet(), false).unwrap();
        ran.push(handle.submitted().iter().map(|key| key.step).collect::<Vec<_>>());
    }
    assert_eq!(ran, [vec![0, 1], vec![], vec![0]]);
}

#[test]
fn a_request_of_another_process_cancels_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, handle) = engine(folder.path());
    handle.script("a", FakeAnswer::Hold);
    engine
        .start(id(1), chain(&["a", "b"]), "ada", None, &mut |_| {})
        .unwrap();
    let mut other = Home::open(folder.path()).unwrap().store().unwrap();
    other
        .post_request(&id(1), &Request::Cancel { by: "bob".to_owned() }, clock())
        .unwrap();
    assert_eq!(
        engine.drive(&mut |_| {}, &quiet(), false).unwrap(),
        Driven::AllEnded
    );
    assert_eq!(
        engine.run(&id(1)).unwrap().status(),
        RunStatus::Ended(RunOutcome::Cancelled)
    );
    assert_eq!(handle.cancelled().len(), 1);
}

#[test]
fn a_retry_waits_for_its_time_and_then_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, handle) = engine(folder.path());
    let mut definition = chain(&["a"]);
    definition.instances[0].retry = RetryPolicy {
        max_attempts: 2,
        delay: Millis(20),
        jitter: 0.0,
        ..RetryPolicy::default()
    };
    handle.script("a", FakeAnswer::failure(FailureClass::IoError, "network"));
    engine.start(id(1), definition, "ada", None, &mut |_| {}).unwrap();
    engine.drive(&mut |_| {}, &quiet(), false).unwrap();
    assert_eq!(
        engine.run(&id(1)).unwrap().status(),
        RunStatus::Ended(RunOutcome::Succeeded)
    );
    assert_eq!(handle.submitted().len(), 2);
}

#[test]
fn an_input_that_cannot_be_had_fails_its_step_with_words() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, _handle) = engine(folder.path());
    let mut definition = chain(&["a"]);
    definition.datasets.insert(
        "rows".to_owned(),
        trainyard_contract::task::DatasetRef {
            name: "rows".to_owned(),
            location: "data/none.csv".to_owned(),
            folder: None,
            format: None,
            options: Value::Null,
            contract: None,
            content: None,
        },
    );
    definition.instances[0]
        .inputs
        .insert("rows".to_owned(), BoundInput::Dataset("rows".to_owned()));
    engine.start(id(1), definition, "ada", None, &mut |_| {}).unwrap();
    engine.drive(&mut |_| {}, &quiet(), false).unwrap();
    let StepState::Failed { failure, .. } = engine.run(&id(1)).unwrap().step(0) else {
        panic!()
    };
    assert!(failure.message.contains("rows"), "{failure:?}");
}
