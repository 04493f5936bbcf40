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
        fault(|d| d.instances[0].hook = Some(Hook::RunFailed)),
        "`b` waits for the hook `a`, which starts after it"
    );
    assert_eq!(
        fault(|d| {
            d.instances[0].hook = Some(Hook::RunFailed);
            (d.instances[1].inputs, d.instances[1].upstream) = Default::default();
            d.instances[1].hook = Some(Hook::OnFailure(0));
        }),
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

#[test]
fn a_definition_that_was_kept_before_hooks_of_runs_were_known_is_still_read() {
    let kept = |hook: Option<Hook>| {
        let mut definition = definition([step("a"), step("b")]);
        definition.instances[1].hook = hook;
        serde_json::to_value(definition).unwrap()
    };
    let hook_of = |document: serde_json::Value| {
        let read: RunDefinition = serde_json::from_value(document).unwrap();
        read.instances[1].hook
    };
    let word = |document: &serde_json::Value| document["instances"][1].get("hook").cloned();
    let before = [
        (None, None),
        (
            Some(serde_json::json!({"on_failure": 0})),
            Some(Hook::OnFailure(0)),
        ),
        (Some(serde_json::json!("finally")), Some(Hook::Finally)),
    ];
    for (written, hook) in before {
        assert_eq!(word(&kept(hook)), written, "what was written stays as it was");
        assert_eq!(hook_of(kept(hook)), hook);
    }
    let now = kept(Some(Hook::RunFailed));
    assert_eq!(word(&now), Some("run_failed".into()));
    assert_eq!(hook_of(now), Some(Hook::RunFailed));
}
