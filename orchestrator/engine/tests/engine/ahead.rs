//! What goes ahead of a commit, and what the executor is told of it.

use super::*;

/// Steps that end at once let several of them begin and end within one turn.
#[test]
fn no_attempt_is_shown_to_begin_before_its_start_is_stored_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, _handle) = engine(folder.path());
    let mut shown = Vec::new();
    let mut begun = 0;
    let mut observer = |observation: Observation<'_>| match observation {
        Observation::Event { event, .. } => shown.push(event.what.clone()),
        Observation::Began { step, .. } => {
            let is_start = |what: &What| matches!(what, What::AttemptStarted { step: of, .. } if *of == step);
            let is_end = |what: &What| matches!(what, What::AttemptSucceeded { step: of, .. } if *of == step);
            let stored = stored_events(folder.path());
            assert!(stored.iter().any(|event| is_start(&event.what)));
            assert!(shown.iter().any(is_start) && !shown.iter().any(is_end));
            begun += 1;
        }
        _ => {}
    };
    let names: Vec<String> = (0..20).map(|ix| format!("s{ix}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    engine
        .start(id(1), chain(&names), "ada", None, &mut observer)
        .unwrap();
    engine.drive(&mut observer, &quiet(), false).unwrap();
    assert_eq!(begun, 20);
}

#[test]
fn the_executor_hears_how_deep_attempts_are_and_that_their_ends_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, handle) = engine(folder.path());
    let mut definition = chain(&["a", "b", "c"]);
    definition.instances[1].process = Some(command());
    engine.start(id(1), definition, "ada", None, &mut |_| {}).unwrap();
    engine.drive(&mut |_| {}, &quiet(), false).unwrap();
    let keys = handle.submitted();
    let depths: Vec<Option<u32>> = keys.iter().map(|key| handle.depth(key)).collect();
    assert_eq!(depths, [Some(0), Some(1), Some(2)]);
    assert_eq!(handle.heard(), 3);
}
