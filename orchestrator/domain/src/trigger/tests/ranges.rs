use super::*;

fn range(spec: Value, from: &str, to: &str) -> Vec<Firing> {
    ticks_between(&trigger(spec), at(from), at(to), 1_000).unwrap()
}

#[test]
fn a_span_of_the_past_has_the_ticks_that_the_schedule_had() {
    let spec = json!({"type": "schedule", "cron": "30 2 * * *", "timezone": "Europe/Zurich",
                      "params": {"day": "${{ trigger.logical_date }}"}});
    let mut story = Story::new(spec.clone(), "2027-03-26T12:00Z");
    story.at("2027-03-26T12:00Z", &News::Woken);
    let mut lived = Vec::new();
    while let Some(wake_at) = story
        .wake_at
        .filter(|wake_at| *wake_at <= at("2027-03-30T12:00Z"))
    {
        story.now = wake_at;
        lived.extend(story.decide(&News::Woken).firings);
    }
    let made_up = range(spec, "2027-03-26T12:00Z", "2027-03-30T12:00Z");
    assert_eq!(made_up.len(), 4, "the day that lacks 02:30 has its run");
    for (made_up, lived) in made_up.iter().zip(&lived) {
        assert_eq!((&made_up.key, &made_up.trigger), (&lived.key, &lived.trigger));
    }
    assert_eq!(
        made_up[1].reason,
        format!("backfill of {}", &lived[1].reason["due at ".len()..])
    );
}

#[test]
fn both_ends_of_a_span_are_part_of_it_and_clocks_are_obeyed() {
    let hourly = json!({"type": "schedule", "cron": "0 * * * *", "catchup": {"policy": "none"}});
    assert_eq!(range(hourly, "2026-11-22T01:00Z", "2026-11-22T03:00Z").len(), 3);
    let twice = json!({"type": "schedule", "cron": "30 2 * * *", "timezone": "Europe/Zurich",
                       "dst": {"overlap": "run_twice", "gap": "skip"}});
    assert_eq!(range(twice.clone(), "2027-10-31", "2027-10-31T12:00Z").len(), 2);
    assert_eq!(range(twice, "2027-03-28", "2027-03-28T12:00Z").len(), 0);
}

#[test]
fn what_has_no_ticks_or_too_many_is_refused() {
    let spec = json!({"type": "schedule", "cron": "* * * * *"});
    let many = ticks_between(&trigger(spec), at("2026-01-01"), at("2027-01-01"), 100);
    assert_eq!(many, Err(NoTicks::TooMany { most: 100 }));
    let spec = json!({"type": "manual"});
    let none = ticks_between(&trigger(spec), at("2026-01-01"), at("2027-01-01"), 100);
    assert_eq!(none, Err(NoTicks::NoSchedule("t".to_owned())));
    let spec = json!({"type": "schedule", "cron": "@daily", "params": {"x": "${{ event.no }}"}});
    let bad = ticks_between(&trigger(spec), at("2026-01-01"), at("2026-01-02"), 100);
    assert!(matches!(bad, Err(NoTicks::Refused(_))), "{bad:?}");
}

#[test]
fn a_date_as_the_end_means_the_whole_day_by_the_clock_of_the_schedule() {
    let trigger = trigger(json!({"type": "schedule", "cron": "@daily", "timezone": "Europe/Zurich"}));
    let meant = |from, to| span(&trigger, from, to);
    let end = Timestamp(at("2027-03-28T22:00Z").0 - 1);
    assert_eq!(
        meant("2027-03-28", "2027-03-28"),
        Ok((at("2027-03-27T23:00Z"), end))
    );
    let exact = (at("2027-03-28T01:00Z"), at("2027-03-28T12:00Z"));
    assert_eq!(meant("2027-03-28T03:00", "2027-03-28T12:00Z"), Ok(exact));
    assert_eq!(
        meant("soon", "2027-03-28"),
        Err(NoSpan::NoTime("soon".to_owned()))
    );
}
