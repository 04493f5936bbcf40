//! Steps of a pipeline that another one uses and whose failure is tolerated.

use super::*;

fn inside(name: &str) -> Draft {
    step(name).with(|i| i.tolerated_by = Some("prep".to_owned()))
}

#[test]
fn a_tolerated_use_fails_as_a_whole_and_the_run_goes_on() {
    let mut play = Play::started([
        inside("prep.a"),
        inside("prep.ordered").needs(&["prep.a"]),
        inside("prep.fed").takes(&["prep.a"]),
        step("after").needs(&["prep.a", "prep.ordered", "prep.fed"]),
        step("fed").takes(&["prep.fed"]),
    ]);
    play.fails("prep.a", NO);
    assert_eq!(play.ready(), ["after"]);
    play.ok("after");
    assert_eq!(
        play.view(),
        "prep.a failed, prep.ordered skipped (after prep.a), prep.fed skipped (after prep.a), after succeeded, \
         fed skipped (no data of prep.fed); Succeeded"
    );
}

#[test]
fn what_failed_before_a_tolerated_use_is_not_tolerated() {
    let mut play = Play::started([
        step("load"),
        inside("prep.a").needs(&["load"]),
        step("after").needs(&["prep.a"]),
    ]);
    play.fails("load", NO);
    assert_eq!(
        play.view(),
        "load failed, prep.a skipped (after load), after skipped (after load); Failed"
    );
}
