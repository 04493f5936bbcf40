//! What starts runs, as people see it.

use crate::yard::Yard;

/// A pipeline with every kind of schedule.
const SCHEDULED: &str = r#"version: 1
name: sales
triggers:
  nightly: {type: schedule, cron: "30 2 * * *", timezone: Europe/Zurich}
  twice: {type: schedule, cron: "30 2 * * *", timezone: Europe/Zurich, dst: {gap: skip, overlap: run_twice}}
  hourly: {type: schedule, cron: "30 * * * *", timezone: Europe/Zurich}
  shifts: {type: schedule, every: 8h, anchor: 2026-01-01T06:00, timezone: Europe/Zurich}
  month_end: {type: schedule, calendar: {business_day: last, at: "18:00", holidays: [12-31]}, timezone: Europe/Zurich, jitter: 5m}
  manual: {type: manual, roles: [admin]}
steps:
  hello: {run: echo hello}
"#;

#[track_caller]
fn preview(args: &[&str], expected: &str) {
    let yard = Yard::with(SCHEDULED);
    let mut all = vec!["triggers", "preview", "sales"];
    all.extend(args);
    let answer = yard.trainyard(&all).expect(0);
    let shown: Vec<&str> = answer.out.lines().map(str::trim_end).collect();
    let expected: Vec<&str> = expected.trim_matches('\n').lines().collect();
    assert_eq!(shown, expected, "\n{}", answer.out);
}

#[test]
fn a_preview_says_what_happens_when_clocks_go_forward() {
    preview(
        &["--trigger", "nightly", "--from", "2027-03-27", "-n", "3"],
        r"
nightly  30 2 * * *, Europe/Zurich
      LOCAL                      UTC
 run  Sat 2027-03-27 02:30 CET   2027-03-27T01:30:00Z
 run  Sun 2027-03-28 03:00 CEST  2027-03-28T01:00:00Z  clocks go from 02:00 to 03:00, 02:30 does not exist: runs right after (gap: run_after)
 run  Mon 2027-03-29 02:30 CEST  2027-03-29T00:30:00Z
",
    );
    preview(
        &[
            "--trigger",
            "twice",
            "--from",
            "2027-03-27T12:00",
            "--to",
            "2027-03-29T12:00",
        ],
        r"
twice  30 2 * * *, Europe/Zurich
      LOCAL                      UTC
 -    Sun 2027-03-28 03:00 CEST  2027-03-28T01:00:00Z  clocks go from 02:00 to 03:00, 02:30 does not exist: no run (gap: skip)
 run  Mon 2027-03-29 02:30 CEST  2027-03-29T00:30:00Z
",
    );
}

#[test]
fn a_preview_says_what_happens_when_clocks_go_back() {
    preview(
        &["--trigger", "nightly", "--from", "2027-10-31", "-n", "2"],
        r"
nightly  30 2 * * *, Europe/Zurich
      LOCAL                      UTC
 run  Sun 2027-10-31 02:30 CEST  2027-10-31T00:30:00Z  clocks go back, 02:30 comes twice: runs the first time (overlap: run_once)
 -    Sun 2027-10-31 02:30 CET   2027-10-31T01:30:00Z  02:30 for the second time: ran at the first (overlap: run_once)
 run  Mon 2027-11-01 02:30 CET   2027-11-01T01:30:00Z
",
    );
    preview(
        &["--trigger", "hourly", "--from", "2027-10-30T23:50Z", "-n", "3"],
        r"
hourly  30 * * * *, Europe/Zurich
      LOCAL                      UTC
 run  Sun 2027-10-31 02:30 CEST  2027-10-31T00:30:00Z  clocks go back, 02:30 comes twice: the interval goes on
 run  Sun 2027-10-31 02:30 CET   2027-10-31T01:30:00Z  02:30 for the second time: the interval goes on
 run  Sun 2027-10-31 03:30 CET   2027-10-31T02:30:00Z
",
    );
}

#[test]
fn intervals_and_days_of_work_are_previewed_as_well() {
    preview(
        &["--trigger", "shifts", "--from", "2027-03-27T20:00", "-n", "3"],
        r"
shifts  every 8h from 2026-01-01T06:00, Europe/Zurich
      LOCAL                      UTC
 run  Sat 2027-03-27 22:00 CET   2027-03-27T21:00:00Z
 run  Sun 2027-03-28 07:00 CEST  2027-03-28T05:00:00Z
 run  Sun 2027-03-28 15:00 CEST  2027-03-28T13:00:00Z
",
    );
    let yard = Yard::with(SCHEDULED);
    let document = yard.json(&[
        "triggers",
        "preview",
        "pipeline.yaml",
        "-t",
        "month_end",
        "--from",
        "2026-11-22",
        "-n",
        "2",
    ]);
    let ticks = document[0]["ticks"].as_array().unwrap();
    let at: Vec<&str> = ticks.iter().map(|tick| tick["at"].as_str().unwrap()).collect();
    assert_eq!(at, ["2026-11-30T17:00:00Z", "2026-12-30T17:00:00Z"]);
    for tick in ticks {
        let (at, starts) = (tick["at"].as_str().unwrap(), tick["starts"].as_str().unwrap());
        assert!(
            starts >= at && starts[..15] == at[..15],
            "{starts} within five minutes"
        );
    }
}

#[test]
fn the_list_has_every_trigger_with_its_next_run() {
    let yard = Yard::with(SCHEDULED);
    let answer = yard.trainyard(&["triggers", "list"]).expect(0);
    let started_by: Vec<&str> = answer.out.lines().skip(1).collect();
    assert_eq!(started_by.len(), 6, "{answer}");
    assert!(
        started_by[3].contains("every 8h from 2026-01-01T06:00"),
        "{answer}"
    );
    assert!(started_by[5].trim_end().ends_with("by hand, admin"), "{answer}");
    let list = yard.json(&["triggers", "list", "sales"]);
    let next = list[0]["next"].as_str().unwrap();
    assert!(next.contains(":30:00Z"), "{next}");
    assert!(list[5]["next"].is_null());
}

#[test]
fn what_cannot_be_previewed_is_said_with_what_there_is() {
    let yard = Yard::with(SCHEDULED);
    for (args, said) in [
        (vec!["salse"], "did you mean `sales`?"),
        (vec!["sales", "--trigger", "nightyl"], "did you mean `nightly`?"),
        (vec!["sales", "--trigger", "manual"], "`manual` is no schedule"),
        (
            vec!["sales", "--from", "tomorrow"],
            "`tomorrow` is no date or time",
        ),
    ] {
        let mut all = vec!["triggers", "preview"];
        all.extend(args);
        let answer = yard.trainyard(&all).expect(2);
        assert!(answer.err.contains(said), "{answer}");
    }
}

/// What the snippets of the documentation refer to.
const AROUND: &str = r#"version: 1
name: flight_delay
params:
  run_date: {type: date, default: "${{ trigger.logical_date }}"}
  late_minutes: {type: integer, default: 15}
alerts:
  feature_drift:
    {target: {dataset: flights_raw}, statistic: psi, operator: ">", limit: 0.2, owner: ops, actions: [notify.oncall]}
notify: {oncall: {type: file, path: alerts.log}}
datasets:
  flights_raw: {path: flights.csv}
  weather_raw: {path: weather.csv}
steps:
  hello:
    run: echo "$DATE" "$LATE"
    env: {DATE: "${{ params.run_date }}", LATE: "${{ params.late_minutes }}"}
    inputs: {flights: flights_raw, weather: weather_raw}
"#;

#[test]
fn every_snippet_of_the_documentation_is_a_pipeline_without_errors() {
    let documentation = include_str!("../docs/triggers.md");
    let snippets: Vec<&str> = documentation
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    for kind in ["schedule", "data", "alert", "webhook", "pipeline", "manual"] {
        let mention = format!("type: {kind}");
        assert!(
            snippets.iter().any(|snippet| snippet.contains(&mention)),
            "{kind} has no snippet"
        );
    }
    for snippet in snippets {
        let yard = Yard::with(&format!("{AROUND}{snippet}"));
        yard.write("flights.csv", "hour\n1\n");
        yard.write("weather.csv", "hour\n1\n");
        yard.write(
            "flight_history.yaml",
            "version: 1\nname: flight_history\nenvironments: {prod: {}}\nsteps:\n  features: {uses: debug.noop@v1}\n",
        );
        let answer = yard.trainyard(&["check", "pipeline.yaml", "flight_history.yaml"]);
        assert_eq!(answer.code, Some(0), "{snippet}\n{answer}");
    }
}
