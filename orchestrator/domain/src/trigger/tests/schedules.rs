use super::*;

fn hourly(more: Value) -> Story {
    let mut spec = json!({"type": "schedule", "cron": "0 * * * *"});
    spec.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let mut story = Story::new(spec, "2026-11-22T00:30Z");
    assert_eq!(
        story.at("2026-11-22T00:30Z", &News::Woken),
        [""; 0],
        "nothing is due of before"
    );
    story
}

#[test]
fn a_tick_starts_one_run_that_knows_its_date_and_its_span_of_data() {
    let mut story = Story::new(
        json!({"type": "schedule", "cron": "30 2 * * *", "timezone": "Europe/Zurich",
               "params": {"day": "${{ trigger.logical_date }}", "limit": 5}}),
        "2027-03-27T12:00Z",
    );
    story.at("2027-03-27T12:00Z", &News::Woken);
    assert_eq!(story.wake_at, Some(at("2027-03-28T01:00Z")));
    story.now = at("2027-03-28T01:00:02Z");
    let decision = story.decide(&News::Woken);
    let [firing] = decision.firings.as_slice() else {
        panic!("{decision:?}")
    };
    assert_eq!(firing.key, "sales/t/2027-03-28T01:00:00Z");
    assert_eq!(
        firing.trigger,
        json!({
            "type": "schedule", "name": "t", "logical_date": "2027-03-28",
            "scheduled_at": "2027-03-28T01:00:00Z",
            "interval_start": "2027-03-27T01:30:00Z", "interval_end": "2027-03-28T01:00:00Z",
            "params": {"day": "2027-03-28", "limit": 5},
        })
    );
    assert_eq!(
        firing.reason,
        "due at 2027-03-28 03:00 CEST; clocks go from 02:00 to 03:00, 02:30 does not exist: runs right after (gap: run_after)"
    );
    assert_eq!(story.at("2027-03-28T01:00:03Z", &News::Woken), [""; 0], "once");
}

#[test]
fn after_a_day_without_a_server_each_policy_does_what_it_says_once() {
    let back = "2026-11-23T00:45Z";
    let mut none = hourly(json!({"catchup": {"policy": "none"}}));
    assert_eq!(
        none.at(back, &News::Woken),
        ["Missed 24: 24 runs from 2026-11-22T01:00:00Z on were missed (catchup: none)"]
    );
    let mut latest = hourly(json!({"catchup": {"policy": "latest"}}));
    assert_eq!(
        latest.at(back, &News::Woken),
        [
            "run sales/t/2026-11-23T00:00:00Z: due at 2026-11-23 00:00 UTC; made up for, 45m late",
            "Missed 23: 23 runs from 2026-11-22T01:00:00Z on were missed; the latest one is made up for (catchup: latest)",
        ]
    );
    let mut all = hourly(json!({"catchup": {"policy": "all", "max_age": "6h"}}));
    let told = all.at(back, &News::Woken);
    assert_eq!(told.len(), 7, "{told:?}");
    assert_eq!(
        told[0],
        "run sales/t/2026-11-22T19:00:00Z: due at 2026-11-22 19:00 UTC; made up for, 345m late"
    );
    assert_eq!(
        told[6],
        "TooOld 18: 18 runs from 2026-11-22T01:00:00Z on were missed longer ago than `max_age: 6h`"
    );
    for mut story in [none, latest, all] {
        assert_eq!(story.at("2026-11-23T00:46Z", &News::Woken), [""; 0], "once");
        assert_eq!(story.until("2026-11-23T12:00Z"), 12, "and then as ever");
    }
}

#[test]
fn a_server_that_is_late_by_seconds_missed_nothing() {
    let mut story = hourly(json!({"catchup": {"policy": "none"}}));
    assert_eq!(story.at("2026-11-22T01:00:59Z", &News::Woken).len(), 1);
    assert!(story.at("2026-11-22T02:01:01Z", &News::Woken)[0].starts_with("Missed 1"));
}

#[test]
fn many_missed_runs_are_made_up_for_a_hundred_at_a_time() {
    let mut story = Story::new(
        json!({"type": "schedule", "cron": "* * * * *", "catchup": {"policy": "all"}}),
        "2026-11-22",
    );
    story.at("2026-11-22", &News::Woken);
    story.now = at("2026-11-22T04:00Z");
    let first = story.decide(&News::Woken);
    assert_eq!(first.firings.len(), 100);
    assert_eq!(first.wake_at, Some(story.now), "and at once the next");
    assert_eq!(story.until("2026-11-22T04:00Z"), 140);
    // A year is counted in bounded time.
    let mut story = Story::new(json!({"type": "schedule", "cron": "* * * * *"}), "2026-01-01");
    story.at("2026-01-01", &News::Woken);
    assert!(story.at("2026-12-31", &News::Woken)[1].starts_with("Missed 10000: 10000 runs or more"));
}

#[test]
fn runs_of_a_pause_are_not_made_up_for() {
    let mut story = hourly(json!({"catchup": {"policy": "all"}}));
    let pause = News::Paused {
        by: "ann".to_owned(),
        why: Some("the source is being mended".to_owned()),
    };
    assert_eq!(
        story.at("2026-11-22T01:00:05Z", &pause).len(),
        1,
        "what was due before is decided"
    );
    assert_eq!(
        story.at("2026-11-22T03:30Z", &News::Woken),
        [
            "Paused 2: 2 runs were due up to 2026-11-22T03:00:00Z, but ann paused the pipeline at 2026-11-22T01:00:05Z: the source is being mended"
        ]
    );
    assert_eq!(
        story.at("2026-11-22T04:30Z", &News::Resumed).len(),
        1,
        "the run of 04:00 is held back"
    );
    assert_eq!(story.until("2026-11-22T06:30Z"), 2);
}

#[test]
fn a_changed_schedule_has_no_past() {
    let mut story = hourly(json!({"catchup": {"policy": "all"}}));
    story.trigger =
        trigger(json!({"type": "schedule", "cron": "*/10 * * * *", "catchup": {"policy": "all"}}));
    assert_eq!(story.at("2026-11-22T12:05Z", &News::Woken), [""; 0]);
    assert_eq!(story.wake_at, Some(at("2026-11-22T12:10Z")));
    // Another policy or other params are no other schedule.
    story.trigger =
        trigger(json!({"type": "schedule", "cron": "*/10 * * * *", "catchup": {"policy": "latest"}}));
    assert_eq!(story.at("2026-11-22T12:10Z", &News::Woken).len(), 1);
}

#[test]
fn a_clock_set_back_repeats_nothing_and_a_clock_that_was_wrong_is_forgiven() {
    let mut story = hourly(json!({}));
    assert_eq!(story.at("2026-11-22T05:00Z", &News::Woken).len(), 2);
    assert_eq!(story.at("2026-11-22T03:30Z", &News::Woken), [""; 0]);
    assert_eq!(
        story.wake_at,
        Some(at("2026-11-22T06:00Z")),
        "up to 05:00 all is decided"
    );
    assert_eq!(story.until("2026-11-22T07:30Z"), 2);
    story.at("2036-11-22", &News::Woken);
    assert_eq!(
        story.at("2026-11-22T08:30Z", &News::Woken),
        [
            "ClockSetBack 0: the clock was set back from 2036-11-22T00:00:00Z or later to 2026-11-22T08:30:00Z; ticks count from now on"
        ]
    );
    assert_eq!(story.until("2026-11-22T10:30Z"), 2);
}

#[test]
fn jitter_puts_starts_off_and_keeps_their_order_and_dates() {
    let mut story = Story::new(
        json!({"type": "schedule", "cron": "* * * * *", "jitter": "50s"}),
        "2026-11-22",
    );
    story.at("2026-11-22", &News::Woken);
    let mut last = at("2026-11-22");
    for minute in 1..100 {
        story.now = story.wake_at.unwrap();
        assert!(story.now > last, "starts keep their order");
        last = story.now;
        let decision = story.decide(&News::Woken);
        let [firing] = decision.firings.as_slice() else {
            panic!("{decision:?}")
        };
        assert_eq!(firing.at, Timestamp(at("2026-11-22").0 + minute * 60_000_000));
        assert!(story.now.since(firing.at).0 < 50_000);
    }
}

#[test]
fn a_param_without_a_value_starts_nothing_and_is_said() {
    let mut story = hourly(json!({"params": {"x": "${{ event.body.x }}"}}));
    let told = story.at("2026-11-22T01:00Z", &News::Woken);
    assert!(
        told[0].starts_with("Refused 1: param `x` has no value"),
        "{told:?}"
    );
    assert_eq!(story.until("2026-11-22T03:30Z"), 0);
}
