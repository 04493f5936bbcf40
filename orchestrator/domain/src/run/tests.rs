//! What a run does, rule by rule.

mod attempts;
mod bounds;
mod cancelling;
mod choosing;
mod conditions;
mod definitions;
mod gates;
mod hooks;
mod items;
mod iterations;
mod matrices;
mod order;
mod retrying;
mod selecting;
mod skips;
mod uses;

use super::fixture::{Draft, Play, definition, rule, run_id, step};
use super::*;
use trainyard_contract::task::Failure;
use trainyard_contract::{ContentHash, FailureClass, Millis};

const IO: FailureClass = FailureClass::IoError;
const NO: FailureClass = FailureClass::Rejected;

fn cancel(play: &mut Play) {
    play.decide(Input::Cancel { by: "ada".to_owned() });
}

fn retry(play: &mut Play) -> Vec<What> {
    play.decide(Input::Retry {
        by: "ada".to_owned(),
        select: None,
    })
}

/// Retries what an expression chooses.
fn choose(play: &mut Play, text: &str) -> Vec<What> {
    let chosen = play.run.choose(text).unwrap();
    play.decide(Input::Retry {
        by: "ada".to_owned(),
        select: Some(chosen),
    })
}

fn reuse(play: &mut Play, name: &str) {
    let step = play.ix(name);
    let what = play.decide(Input::Reuse {
        step,
        key: ContentHash::of(b"key"),
        from: run_id(9),
        outputs: [("out".to_owned(), trainyard_contract::OutputValue::Value(7.into()))].into(),
        metrics: Default::default(),
        headline: None,
    });
    assert!(matches!(what.first(), Some(What::StepReused { .. })), "{what:?}");
}
