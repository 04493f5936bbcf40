//! Definitions that cannot be run.

use super::*;
use std::sync::Arc;

fn fault(change: impl FnOnce(&mut RunDefinition)) -> String {
    let mut definition = definition([step("a"), step("b").takes(&["a"])]);
    change(&mut definition);
    Run::new(run_id(1), Arc::new(definition)).unwrap_err().to_string()
}

#[test]
fn a_definition_that_could_not_come_to_an_end_is_refused() {
    let edge = |instance, data| Upstream { instance, data };
    assert_eq!(
        fault(|d| d.version = 9),
        "the run's definition has version 9; this program reads version 1"
    );
    assert_eq!(
        fault(|d| d.instances[0].upstream.push(edge(7, false))),
        "`a` refers to instance 7, but there are 2"
    );
    assert_eq!(
        fault(|d| d.instances[0].upstream.push(edge(1, false))),
        "`a` waits for itself, directly or through others"
    );
    assert_eq!(
        fault(|d| d.instances[1].upstream[0].data = false),
        "`b` takes data from `a` without waiting for it"
    );
    assert_eq!(
        fault(|d| d.instances[0].hook = Some(Hook::Finally)),
        "`b` waits for the hook `a`, which starts after it"
    );
    assert_eq!(
        fault(|d| d.instances[0].retry.max_attempts = 0),
        "`a` has a limit of zero: max_attempts"
    );
    assert_eq!(
        fault(|d| {
            d.instances[0]
                .inputs
                .insert("x".to_owned(), BoundInput::Dataset("gone".to_owned()));
        }),
        "`a` reads dataset `gone`, which the definition lacks"
    );
}

#[test]
fn a_cycle_is_named_by_a_step_on_it() {
    let drafts = [
        step("below").needs(&["x"]),
        step("x").needs(&["y"]),
        step("y").needs(&["x"]),
    ];
    let error = Run::new(run_id(1), Arc::new(definition(drafts))).unwrap_err();
    assert_eq!(
        error,
        InvalidDefinition::Cycle {
            instance: "x".to_owned()
        }
    );
}
