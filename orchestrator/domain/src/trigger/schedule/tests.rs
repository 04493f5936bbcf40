//! Single decisions by example; [`zones`] compares with a walk through every minute.

mod zones;

use super::*;
use serde_json::{Value, json};

fn schedule(of: Value) -> Schedule {
    Schedule::new(&serde_json::from_value(of.clone()).unwrap())
        .unwrap_or_else(|fault| panic!("{of}: {fault}"))
}

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

fn utc(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0)
        .unwrap()
        .strftime("%Y-%m-%d %H:%M")
        .to_string()
}

/// Instants of the first ticks.
fn ticks(of: Value, after: &str, count: usize) -> Vec<String> {
    schedule(of)
        .ticks(at(after))
        .take(count)
        .map(|tick| utc(tick.at))
        .collect()
}

/// All that happens: `+` or `-`, the instant, and why.
fn told(of: Value, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(of);
    schedule
        .occurrences(at(after))
        .take(count)
        .map(|occurrence| {
            let mark = if occurrence.fires { '+' } else { '-' };
            let reason = schedule.reason(&occurrence).unwrap_or_default();
            format!("{mark} {} {reason}", &utc(occurrence.at)[5..])
                .trim_end()
                .to_owned()
        })
        .collect()
}

#[test]
fn a_time_of_day_in_the_gap_runs_right_after_it_or_not_at_all() {
    // Europe/Zurich, 28 March 2027: 02:00 to 03:00 at 01:00 UTC.
    let daily = |rule: &str| json!({"cron": "30 2 * * *", "timezone": "Europe/Zurich", "dst": {"gap": rule}});
    assert_eq!(
        told(daily("run_after"), "2027-03-27T00:00Z", 3),
        [
            "+ 03-27 01:30",
            "+ 03-28 01:00 clocks go from 02:00 to 03:00, 02:30 does not exist: runs right after (gap: run_after)",
            "+ 03-29 00:30",
        ]
    );
    assert_eq!(
        told(daily("skip"), "2027-03-27T00:00Z", 3),
        [
            "+ 03-27 01:30",
            "- 03-28 01:00 clocks go from 02:00 to 03:00, 02:30 does not exist: no run (gap: skip)",
            "+ 03-29 00:30",
        ]
    );
}

#[test]
fn times_of_one_gap_are_one_run_and_a_regular_one_stands_for_them() {
    let times = json!({"cron": "0,20,40 2 * * *", "timezone": "Europe/Zurich"});
    assert_eq!(
        told(times, "2027-03-27T12:00Z", 2),
        [
            "+ 03-28 01:00 clocks go from 02:00 to 03:00, 3 times from 02:00 to 02:40 do not exist: runs right after (gap: run_after)",
            "+ 03-29 00:00",
        ]
    );
    let regular = json!({"cron": "0 2,3 * * *", "timezone": "Europe/Zurich"});
    assert_eq!(
        told(regular, "2027-03-27T12:00Z", 2),
        [
            "+ 03-28 01:00 clocks go from 02:00 to 03:00, 02:00 does not exist: the run of 03:00 stands for it (gap: run_after)",
            "+ 03-29 00:00",
        ]
    );
}

#[test]
fn a_time_of_day_that_comes_twice_runs_once_or_twice() {
    // Europe/Zurich, 31 October 2027: 03:00 back to 02:00 at 01:00 UTC.
    let daily =
        |rule: &str| json!({"cron": "30 2 * * *", "timezone": "Europe/Zurich", "dst": {"overlap": rule}});
    assert_eq!(
        told(daily("run_once"), "2027-10-30T12:00Z", 3),
        [
            "+ 10-31 00:30 clocks go back, 02:30 comes twice: runs the first time (overlap: run_once)",
            "- 10-31 01:30 02:30 for the second time: ran at the first (overlap: run_once)",
            "+ 11-01 01:30",
        ]
    );
    assert_eq!(
        told(daily("run_twice"), "2027-10-30T12:00Z", 3),
        [
            "+ 10-31 00:30 clocks go back, 02:30 comes twice: runs both times (overlap: run_twice)",
            "+ 10-31 01:30 02:30 for the second time: runs again (overlap: run_twice)",
            "+ 11-01 01:30",
        ]
    );
}

#[test]
fn an_interval_goes_on_through_every_change_of_clocks() {
    for cron in ["30 * * * *", "30 0-23 * * *", "30 */1 * * *"] {
        let hourly = json!({"cron": cron, "timezone": "Europe/Zurich"});
        assert_eq!(
            told(hourly.clone(), "2027-03-28T00:00Z", 3),
            [
                "+ 03-28 00:30",
                "- 03-28 01:00 clocks go from 02:00 to 03:00: the interval goes on, nothing is missing",
                "+ 03-28 01:30",
            ]
        );
        assert_eq!(
            told(hourly, "2027-10-30T23:00Z", 4),
            [
                "+ 10-30 23:30",
                "+ 10-31 00:30 clocks go back, 02:30 comes twice: the interval goes on",
                "+ 10-31 01:30 02:30 for the second time: the interval goes on",
                "+ 10-31 02:30",
            ]
        );
    }
    // Within hours that it names, too; outside of them a repetition is one.
    let window = json!({"cron": "*/30 1-3 * * *", "timezone": "Europe/Zurich"});
    assert_eq!(
        ticks(window, "2027-10-30T23:00Z", 7),
        [
            "2027-10-30 23:30",
            "2027-10-31 00:00",
            "2027-10-31 00:30",
            "2027-10-31 01:00",
            "2027-10-31 01:30",
            "2027-10-31 02:00",
            "2027-10-31 02:30",
        ]
    );
    let one_hour = json!({"cron": "*/30 2 * * *", "timezone": "Europe/Zurich"});
    assert_eq!(
        ticks(one_hour.clone(), "2027-10-30T23:00Z", 3),
        ["2027-10-31 00:00", "2027-10-31 00:30", "2027-11-01 01:00"]
    );
    assert_eq!(
        ticks(one_hour, "2027-03-28T00:00Z", 2),
        ["2027-03-28 01:00", "2027-03-29 00:00"]
    );
    let every_other = json!({"cron": "0 */2 * * *", "timezone": "Europe/Zurich"});
    assert_eq!(
        ticks(every_other, "2027-03-27T22:30Z", 3),
        ["2027-03-27 23:00", "2027-03-28 01:00", "2027-03-28 02:00"]
    );
}

#[test]
fn changes_of_half_an_hour_and_of_a_whole_day_follow_the_same_rule() {
    // Lord Howe, 3 October 2027: 02:00 to 02:30 at 15:30 UTC of the day before. Nothing else runs
    // in the half hour that is left of that hour.
    let hourly = json!({"cron": "0 * * * *", "timezone": "Australia/Lord_Howe"});
    assert_eq!(
        told(hourly, "2027-10-02T14:00Z", 3),
        [
            "+ 10-02 14:30",
            "+ 10-02 15:30 clocks go from 02:00 to 02:30, 02:00 does not exist: runs right after (gap: run_after)",
            "+ 10-02 16:00",
        ]
    );
    // Samoa had no 30 December 2011.
    let daily = json!({"cron": "30 2 * * *", "timezone": "Pacific/Apia"});
    assert_eq!(
        told(daily.clone(), "2011-12-29T00:00Z", 3),
        [
            "+ 12-29 12:30",
            "+ 12-30 10:00 clocks go from 2011-12-30 00:00 to 2011-12-31 00:00, 2011-12-30 02:30 does not exist: runs right after (gap: run_after)",
            "+ 12-30 12:30",
        ]
    );
    let missing = schedule(daily).ticks(at("2011-12-30T00:00Z")).next().unwrap();
    assert_eq!(
        missing.local.date().to_string(),
        "2011-12-30",
        "the day it stands for"
    );
    let hourly = json!({"cron": "5 * * * *", "timezone": "Pacific/Apia"});
    assert_eq!(
        ticks(hourly, "2011-12-30T08:30Z", 3),
        ["2011-12-30 09:05", "2011-12-30 10:05", "2011-12-30 11:05"]
    );
}

#[test]
fn an_interval_of_elapsed_time_counts_from_its_anchor_and_does_not_drift() {
    assert_eq!(
        ticks(json!({"every": "15m"}), "2027-03-28T00:59:59Z", 3),
        ["2027-03-28 01:00", "2027-03-28 01:15", "2027-03-28 01:30"]
    );
    let anchored = json!({"every": "36h", "anchor": "2026-01-01T06:00", "timezone": "Europe/Zurich"});
    assert_eq!(
        ticks(anchored.clone(), "2025-12-29T00:00Z", 3),
        ["2025-12-29 05:00", "2025-12-30 17:00", "2026-01-01 05:00"]
    );
    // Ticks are strictly later than asked for.
    assert_eq!(ticks(anchored, "2026-01-01T05:00:00Z", 1), ["2026-01-02 17:00"]);
}

#[test]
fn days_of_work_leave_out_weekends_and_holidays() {
    let month_end = json!({
        "calendar": {"business_day": "last", "at": "18:00", "holidays": ["12-31", "2026-11-30"]},
        "timezone": "Europe/Zurich",
    });
    // The 28th and 29th of November are a weekend, the 30th is a holiday.
    assert_eq!(
        ticks(month_end, "2026-11-01T00:00Z", 2),
        ["2026-11-27 17:00", "2026-12-30 17:00"]
    );
    let third = json!({"calendar": {"business_day": 3, "months": ["jan", "jul"], "holidays": ["01-01"]}});
    assert_eq!(
        ticks(third, "2026-01-01T00:00Z", 2),
        ["2026-01-06 00:00", "2026-07-03 00:00"]
    );
    let last_but_one = json!({"calendar": {"business_day": -2, "at": ["12:00", "06:00"]}});
    assert_eq!(
        ticks(last_but_one, "2026-05-01T00:00Z", 3),
        ["2026-05-28 06:00", "2026-05-28 12:00", "2026-06-29 06:00"]
    );
    let gulf = json!({"calendar": {"business_day": "every", "weekend": ["fri", "sat"]}});
    assert_eq!(
        ticks(gulf, "2026-11-05T00:00Z", 2),
        ["2026-11-08 00:00", "2026-11-09 00:00"]
    );
}

#[test]
fn impossible_and_enormous_cases_end() {
    let never = schedule(json!({"cron": "0 0 30 2 *", "timezone": "America/New_York"}));
    assert!(!never.fires());
    assert_eq!(never.occurrences(at("2026-01-01T00:00Z")).next(), None);
    assert_eq!(never.before(at("2026-01-01T00:00Z")), None);
    assert!(!schedule(json!({"calendar": {"business_day": 23, "months": ["feb"]}})).fires());
    let leap = json!({"cron": "0 0 29 2 *", "timezone": "America/New_York"});
    assert_eq!(
        ticks(leap.clone(), "2026-01-01T00:00Z", 2),
        ["2028-02-29 05:00", "2032-02-29 05:00"]
    );
    assert_eq!(
        utc(schedule(leap.clone()).before(at("2026-01-01T00:00Z")).unwrap().at),
        "2024-02-29 05:00"
    );
    assert!(ticks(leap, "9996-03-01T00:00Z", 1).is_empty());
    for of in [
        json!({"cron": "* * * * *", "timezone": "Europe/Zurich"}),
        json!({"every": "1s"}),
        json!({"every": "30000d"}),
        json!({"calendar": {"business_day": "every"}}),
    ] {
        let schedule = schedule(of);
        let last = schedule.ticks(at("9999-12-28T00:00Z")).last();
        let last = last.map(|tick| tick.at);
        assert!(last.is_none_or(|last| last < at("9999-12-29T23:00Z")), "{last:?}");
        assert_eq!(schedule.occurrences(Timestamp(i64::MAX)).next(), None);
        assert!(schedule.occurrences(Timestamp(i64::MIN)).next().is_some());
    }
}

#[test]
fn the_latest_and_the_one_before_are_found_from_afar() {
    let monthly = schedule(json!({"cron": "0 6 1 * *"}));
    let latest = monthly.latest(at("2020-01-01T00:00Z"), at("2026-11-22T00:00Z"));
    assert_eq!(utc(latest.unwrap().at), "2026-11-01 06:00");
    assert_eq!(
        monthly.latest(at("2026-11-01T06:00Z"), at("2026-11-22T00:00Z")),
        None
    );
    assert_eq!(
        utc(monthly.before(at("2026-11-01T06:00Z")).unwrap().at),
        "2026-10-01 06:00"
    );
}

#[test]
fn spellings_of_one_schedule_are_one_and_others_are_others() {
    let identity = |of: Value| schedule(of).identity().to_owned();
    let daily = identity(json!({"cron": "0 2 * * MON"}));
    assert_eq!(
        daily,
        identity(json!({"cron": " 0  2 * * mon ", "timezone": "UTC", "jitter": "5m"}))
    );
    for other in [
        json!({"cron": "0 3 * * mon"}),
        json!({"cron": "0 2 * * mon", "timezone": "Europe/Zurich"}),
        json!({"cron": "0 2 * * mon", "dst": {"gap": "skip"}}),
    ] {
        assert_ne!(daily, identity(other));
    }
}

#[test]
fn what_makes_no_sense_is_said_at_its_key() {
    for (of, at, message) in [
        (
            json!({"every": "100ms"}),
            vec!["every"],
            "an interval is at least a second, and whole seconds",
        ),
        (
            json!({"every": "1h", "dst": {}}),
            vec!["dst"],
            "`every` counts elapsed time, which no change of clocks touches",
        ),
        (
            json!({"cron": "@daily", "anchor": "2026-01-01"}),
            vec!["anchor"],
            "only `every` counts from an anchor",
        ),
        (
            json!({"every": "1h", "anchor": "2026-02-30"}),
            vec!["anchor"],
            "`2026-02-30` is not a date and time",
        ),
        (
            json!({"calendar": {"business_day": 0}}),
            vec!["calendar", "business_day"],
            "a month has no 0th day of work",
        ),
        (
            json!({"calendar": {"business_day": "last", "holidays": ["02-29", "02-30"]}}),
            vec!["calendar", "holidays"],
            "`02-30` is not a date",
        ),
        (
            json!({"cron": "@daily", "every": "1h"}),
            vec![],
            "a schedule has one of `cron`, `every` and `calendar`",
        ),
    ] {
        let fault = Schedule::new(&serde_json::from_value(of).unwrap()).unwrap_err();
        assert_eq!((fault.at, fault.message.as_str()), (at, message));
    }
}
