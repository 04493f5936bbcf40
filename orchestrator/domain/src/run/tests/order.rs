//! What starts when.

use super::*;

#[test]
fn a_step_starts_when_all_it_waits_for_is_over() {
    let mut play = Play::started([step("a"), step("b"), step("c").needs(&["a"]).takes(&["b"])]);
    assert_eq!(play.ready(), ["a", "b"]);
    play.ok("a");
    assert_eq!(play.ready(), ["b"]);
    play.ok("b");
    assert_eq!(play.ready(), ["c"]);
    play.ok("c");
    assert_eq!(play.view(), "a succeeded, b succeeded, c succeeded; Succeeded");
}

#[test]
fn the_longest_remaining_path_starts_first() {
    let play = Play::started([
        step("alone"),
        step("last").needs(&["middle"]),
        step("middle").needs(&["first"]),
        step("first"),
    ]);
    assert_eq!(play.ready(), ["first", "alone"]);
}

#[test]
fn depth_counts_the_longest_way_from_the_start() {
    let play = Play::started([
        step("last").needs(&["middle", "first"]),
        step("middle").needs(&["first"]),
        step("first"),
    ]);
    let depths: Vec<u32> = (0..3).map(|ix| play.run.depth(ix)).collect();
    assert_eq!(depths, [2, 1, 0]);
}

#[test]
fn a_run_without_steps_succeeds_at_once() {
    assert_eq!(Play::started([]).view(), "; Succeeded");
}

#[test]
fn nothing_happens_before_the_start() {
    let mut play = Play::new([step("a")]);
    assert!(play.ready().is_empty());
    assert!(play.decide(Input::Launch { step: 0, key: None }).is_empty());
    assert!(play.decide(Input::Tick).is_empty());
    assert_eq!(play.view(), "a waiting; NotStarted");
}
