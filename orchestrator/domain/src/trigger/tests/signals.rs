use super::*;
use std::collections::BTreeMap;

fn data(more: Value) -> Story {
    let mut spec = json!({"type": "data", "datasets": ["a", "b"]});
    spec.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let mut story = Story::new(spec, "2026-11-22");
    for dataset in ["a", "b"] {
        assert_eq!(
            story.at("2026-11-22", &looked(dataset, "old")),
            [""; 0],
            "what was there is not new"
        );
    }
    story
}

#[test]
fn data_is_new_by_its_content_and_all_or_any_of_it_is_enough() {
    let mut all = data(json!({}));
    assert_eq!(all.at("2026-11-22T01:00Z", &looked("a", "old")), [""; 0]);
    assert_eq!(all.at("2026-11-22T01:00Z", &looked("a", "1")), [""; 0]);
    assert_eq!(all.at("2026-11-22T02:00Z", &looked("other", "1")), [""; 0]);
    let told = all.at("2026-11-22T02:00Z", &looked("b", "1"));
    assert!(told[0].ends_with(": new data in a, b"), "{told:?}");
    assert_eq!(
        all.at("2026-11-22T03:00Z", &looked("b", "1")),
        [""; 0],
        "the run had it"
    );
    let mut any = data(json!({"match": "any"}));
    assert_eq!(any.at("2026-11-22T01:00Z", &looked("b", "1")).len(), 1);
    // What was there before may come back, and is new then; each run has a key of its own.
    let first = any.at("2026-11-22T02:00Z", &looked("b", "old"));
    let second = any.at("2026-11-22T03:00Z", &looked("b", "1"));
    let third = any.at("2026-11-22T04:00Z", &looked("b", "old"));
    assert_eq!((first.len(), second.len(), third.len()), (1, 1, 1));
    assert_ne!(first, third);
    // Something that goes away again before the run starts was nothing.
    let mut undone = data(json!({"match": "any", "debounce": "10m"}));
    undone.at("2026-11-22T01:00Z", &looked("a", "1"));
    undone.at("2026-11-22T01:01Z", &looked("a", ""));
    assert_eq!(undone.until("2026-11-23"), 0);
}

#[test]
fn the_first_output_of_another_pipeline_is_new_and_so_is_a_file_that_was_not_there() {
    let mut story = Story::new(
        json!({"type": "data", "datasets": ["other.step.out"]}),
        "2026-11-22",
    );
    let made = News::Produced {
        dataset: "other.step.out".to_owned(),
        content: "1".to_owned(),
    };
    assert_eq!(story.at("2026-11-22", &made).len(), 1);
    assert_eq!(story.at("2026-11-22", &made), [""; 0]);
    let mut story = Story::new(json!({"type": "data", "datasets": ["a"]}), "2026-11-22");
    story.at("2026-11-22", &looked("a", ""));
    assert_eq!(story.at("2026-11-22", &looked("a", "1")).len(), 1);
}

#[test]
fn a_run_waits_until_it_is_quiet_but_not_for_ever() {
    let mut story = data(json!({"match": "any", "debounce": "10m"}));
    story.at("2026-11-22T01:00Z", &looked("a", "1"));
    assert_eq!(story.wake_at, Some(at("2026-11-22T01:10Z")));
    story.at("2026-11-22T01:05Z", &looked("b", "1"));
    assert_eq!(story.wake_at, Some(at("2026-11-22T01:15Z")));
    assert_eq!(
        story.at("2026-11-22T01:15Z", &News::Woken)[0]
            .split_once(": ")
            .unwrap()
            .1,
        "new data in a, b, quiet for 10m"
    );
    // 10,000 files, one every second: one run each hundred minutes, ten times `debounce`.
    let mut started = Vec::new();
    let begin = at("2026-11-23");
    for file in 0..10_000 {
        story.now = Timestamp(begin.0 + file * 1_000_000);
        let decision = story.decide(&looked("a", &format!("file {file}")));
        started.extend(
            decision
                .firings
                .iter()
                .map(|firing| firing.at.since(begin).0 / 1_000),
        );
        assert!(decision.held.is_empty());
    }
    assert_eq!(started, [6_000]);
    assert_eq!(
        story.until("2026-11-24"),
        1,
        "and one for the rest, when it is quiet"
    );
}

#[test]
fn a_pause_and_a_limit_keep_new_data_for_later_and_say_so_once() {
    let mut story = data(json!({"match": "any", "max_runs": {"limit": 1, "per": "1d"}}));
    let paused = News::Paused {
        by: "ann".to_owned(),
        why: None,
    };
    story.at("2026-11-22T01:00Z", &paused);
    let told = story.at("2026-11-22T02:00Z", &looked("a", "1"));
    assert_eq!(
        told,
        ["Paused 1: new data in a, but ann paused the pipeline at 2026-11-22T01:00:00Z"]
    );
    assert_eq!(story.at("2026-11-22T02:30Z", &looked("a", "1")), [""; 0]);
    assert_eq!(
        story.at("2026-11-22T03:00Z", &News::Resumed).len(),
        1,
        "new data is still new"
    );
    assert_eq!(
        story.at("2026-11-22T04:00Z", &looked("a", "2")),
        [
            "MaxRuns 1: new data in a; 1 runs started within 1d, and `max_runs` allows 1: not before 2026-11-23T03:00:00Z"
        ]
    );
    assert_eq!(story.at("2026-11-22T05:00Z", &looked("a", "2")), [""; 0]);
    assert_eq!(story.until("2026-11-23T02:59Z"), 0);
    assert_eq!(story.until("2026-11-23T03:00Z"), 1);
}

fn request(key: &str, body: Value) -> News {
    News::Requested {
        key: key.to_owned(),
        sent_at: None,
        body,
    }
}

#[test]
fn a_request_sets_params_from_a_body_that_fits() {
    let mut story = Story::new(
        json!({"type": "webhook", "path": "/hooks/x",
               "body": {"date": {"type": "date"}, "rows": {"type": "integer", "default": 7, "min": 1}},
               "params": {"run_date": "${{ event.body.date }}", "rows": "${{ event.body.rows * 2 }}"}}),
        "2026-11-22",
    );
    let decision = story.decide(&request("k", json!({"date": "2026-11-01", "else": true})));
    assert_eq!(decision.firings[0].key, "sales/t/k");
    assert_eq!(
        decision.firings[0].trigger["params"],
        json!({"run_date": "2026-11-01", "rows": 14})
    );
    for (body, said) in [
        (json!({"rows": 1}), "the body has no `date`, a date"),
        (
            json!({"date": "soon"}),
            "`date` of the body is a date: \"soon\" is not a date",
        ),
        (
            json!({"date": "2026-11-01", "rows": 0}),
            "`rows` of the body is an integer: 0 is less than 1",
        ),
        (json!([1]), "the body has to be a JSON object"),
    ] {
        let told = story.at("2026-11-22", &request("k2", body));
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with(&format!("Refused 1: {said}")), "{told:?}");
    }
}

#[test]
fn a_request_outside_of_its_window_is_a_replay() {
    let mut story = Story::new(
        json!({"type": "webhook", "path": "/hooks/x", "replay_window": "2m"}),
        "2026-11-22",
    );
    for (sent_at, starts) in [
        ("2026-11-21T23:58:00Z", 1),
        ("2026-11-21T23:57:59Z", 0),
        ("2026-11-22T00:02:00Z", 1),
        ("2026-11-22T00:02:01Z", 0),
    ] {
        let news = News::Requested {
            key: sent_at.to_owned(),
            sent_at: Some(at(sent_at)),
            body: Value::Null,
        };
        let decision = story.decide(&news);
        assert_eq!(decision.firings.len(), starts, "{sent_at}");
        assert_eq!(decision.held.len(), 1 - starts);
    }
}

#[test]
fn a_storm_of_requests_starts_what_the_limit_allows_and_tells_of_each_of_the_rest() {
    let mut story = Story::new(
        json!({"type": "webhook", "path": "/hooks/x", "max_runs": {"limit": 60, "per": "1h"}}),
        "2026-11-22",
    );
    let begin = story.now;
    let (mut started, mut held) = (0, 0);
    for call in 0..1_000 {
        story.now = Timestamp(begin.0 + call * 100_000);
        let decision = story.decide(&request(&format!("k{call}"), json!({})));
        started += decision.firings.len();
        held += decision.held.len();
    }
    assert_eq!((started, held), (60, 940));
    assert_eq!(
        story.at("2026-11-22T01:00Z", &request("later", json!({}))).len(),
        1
    );
    assert!(story.state.recent.len() <= 60);
}

#[test]
fn an_alert_that_flaps_starts_what_the_policy_allows() {
    let mut story = Story::new(
        json!({"type": "alert", "alerts": ["drift"], "cooldown": "24h", "max_runs": {"limit": 2, "per": "7d"}}),
        "2026-11-01",
    );
    let begin = story.now;
    let mut days = Vec::new();
    let mut reasons = BTreeMap::<Because, u32>::new();
    for minute in 0..14 * 24 * 60 {
        story.now = Timestamp(begin.0 + minute * 60_000_000);
        let breach = News::Alerted {
            alert: "drift".to_owned(),
            breach: format!("b{minute}"),
            detail: Value::Null,
        };
        let decision = story.decide(&breach);
        days.extend(decision.firings.iter().map(|_| minute / 60 / 24));
        for held in decision.held {
            *reasons.entry(held.because).or_default() += held.count as u32;
        }
    }
    assert_eq!(days, [0, 1, 7, 8]);
    assert_eq!(
        reasons.values().sum::<u32>(),
        14 * 24 * 60 - 4,
        "each of the rest is told"
    );
    // The clock goes back by a year: one cooldown, not a year of silence.
    story.now = at("2025-11-01");
    let breach = |key: &str| News::Alerted {
        alert: "drift".to_owned(),
        breach: key.to_owned(),
        detail: Value::Null,
    };
    assert!(story.decide(&breach("x")).firings.is_empty());
    assert_eq!(story.at("2025-11-08", &breach("y")).len(), 1);
    assert!(story.at("2025-11-10", &breach("z"))[0].starts_with("run sales/t/z: alert `drift`"));
}

#[test]
fn a_breach_is_decided_once_whatever_became_of_it() {
    let spec = json!({"type": "alert", "alerts": ["drift"], "cooldown": "1h"});
    let mut story = Story::new(spec, "2026-11-22");
    let breach = |key: &str| News::Alerted {
        alert: "drift".to_owned(),
        breach: key.to_owned(),
        detail: Value::Null,
    };
    assert_eq!(story.at("2026-11-22T01:00Z", &breach("a")).len(), 1);
    let told = story.at("2026-11-22T01:30Z", &breach("b"));
    assert!(
        told[0].contains("Cooldown") || told[0].contains("cooldown"),
        "{told:?}"
    );
    // Both are sent again, and meanwhile the cooldown is over.
    assert_eq!(story.at("2026-11-22T03:00Z", &breach("a")), [""; 0]);
    assert_eq!(story.at("2026-11-22T03:00Z", &breach("b")), [""; 0]);
    assert_eq!(story.at("2026-11-22T03:00Z", &breach("c")).len(), 1);
    // What is remembered stays small.
    for number in 0..1_000 {
        story.at("2026-11-22T03:00Z", &breach(&format!("n{number}")));
    }
    let kept = serde_json::to_value(&story.state).unwrap();
    assert_eq!(kept["breaches"].as_array().unwrap().len(), 256);
}

#[test]
fn the_end_of_another_pipeline_starts_its_followers_with_its_date() {
    let ended = |outcome, environment: &str| {
        News::RunEnded(RunEnded {
            run: "run_1".to_owned(),
            pipeline: "features".to_owned(),
            environment: Some(environment.to_owned()),
            outcome,
            steps: BTreeMap::from([("build".to_owned(), Outcome::Succeeded)]),
            ended_at: at("2026-11-22"),
            logical_date: Some("2026-10-31".to_owned()),
        })
    };
    let starts = |more: Value, news: &News| {
        let mut spec = json!({"type": "pipeline", "pipeline": "features"});
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Story::new(spec, "2026-11-22").at("2026-11-22", news)
    };
    assert_eq!(
        starts(json!({}), &ended(Outcome::Succeeded, "prod")),
        ["run sales/t/run_1: pipeline `features` succeeded (run run_1)"]
    );
    assert_eq!(starts(json!({}), &ended(Outcome::Failed, "prod")), [""; 0]);
    assert_eq!(
        starts(json!({"outcome": "failed"}), &ended(Outcome::Cancelled, "prod")),
        [""; 0]
    );
    assert_eq!(
        starts(json!({"outcome": "ended"}), &ended(Outcome::Cancelled, "prod")).len(),
        1
    );
    assert_eq!(
        starts(json!({"environment": "prod"}), &ended(Outcome::Succeeded, "dev")),
        [""; 0]
    );
    assert_eq!(
        starts(json!({"step": "build"}), &ended(Outcome::Failed, "dev")),
        ["run sales/t/run_1: step `build` of `features` succeeded (run run_1)"]
    );
    assert_eq!(
        starts(
            json!({"step": "skipped", "outcome": "ended"}),
            &ended(Outcome::Failed, "dev")
        ),
        [""; 0]
    );
    let mut story = Story::new(json!({"type": "pipeline", "pipeline": "features"}), "2026-11-22");
    let decision = story.decide(&ended(Outcome::Succeeded, "prod"));
    assert_eq!(decision.firings[0].trigger["logical_date"], "2026-10-31");
}

#[test]
fn the_end_of_a_run_is_decided_once_in_whatever_order_it_is_told() {
    let ended = |run: &str, time: &str| {
        News::RunEnded(RunEnded {
            run: run.to_owned(),
            pipeline: "features".to_owned(),
            environment: None,
            outcome: Outcome::Succeeded,
            steps: BTreeMap::new(),
            ended_at: at(time),
            logical_date: None,
        })
    };
    let spec = json!({"type": "pipeline", "pipeline": "features", "max_runs": {"limit": 3, "per": "1h"}});
    let mut story = Story::new(spec, "2026-11-22");
    story.decide(&News::Woken);
    assert_eq!(story.state.ends_since(), Some(at("2026-11-22")));
    let later = "2026-11-22T12:00Z";
    let mut tell = |run: &str, time: &str| {
        let told = story.at(later, &ended(run, time));
        assert!(story.state.has_decided(run, at(time)));
        told.len()
    };
    assert_eq!(
        tell("run_0", "2026-11-21T23:59Z"),
        0,
        "before the trigger was there"
    );
    assert_eq!(tell("run_2", "2026-11-22T10:02Z"), 1);
    assert_eq!(tell("run_1", "2026-11-22T10:01Z"), 1, "later told, earlier ended");
    assert_eq!(tell("run_2", "2026-11-22T10:02Z"), 0, "told again");
    assert_eq!(tell("run_2", "2026-11-22T10:03Z"), 1, "retried, and ended again");
    assert_eq!(tell("run_3", "2026-11-22T11:00Z"), 1, "held back by max_runs");
    assert_eq!(tell("run_3", "2026-11-22T11:00Z"), 0, "and not said twice");
    assert!(
        story.state.ends_since() > Some(at("2026-11-22T10:03Z")),
        "the past is forgotten"
    );
}

#[test]
fn a_person_with_the_role_starts_a_run_even_of_a_paused_pipeline() {
    let mut story = Story::new(
        json!({"type": "manual", "roles": ["ml_engineer", "admin"]}),
        "2026-11-22",
    );
    story.trigger.form = serde_json::from_value(json!({"rows": {"type": "integer", "max": 9}})).unwrap();
    let asks = |roles: &[&str], params: Value| News::Asked {
        key: "w".to_owned(),
        by: "ann".to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        params: params.as_object().unwrap().clone(),
    };
    assert_eq!(
        story.at("2026-11-22", &asks(&["viewer"], json!({}))),
        ["Refused 1: ann has none of the roles ml_engineer, admin"]
    );
    let told = story.at("2026-11-22", &asks(&["admin"], json!({"rows": 10})));
    assert!(
        told[0].starts_with("Refused 1: the param `rows` is an integer: 10 is more than 9"),
        "{told:?}"
    );
    assert_eq!(
        story.at("2026-11-22", &asks(&["admin"], json!({"row": 1}))),
        ["Refused 1: there is no param `row`"]
    );
    story.at(
        "2026-11-22",
        &News::Paused {
            by: "bob".to_owned(),
            why: None,
        },
    );
    let decision = story.decide(&asks(&["admin"], json!({"rows": 3})));
    assert_eq!(decision.firings[0].trigger["params"], json!({"rows": 3}));
    assert_eq!(decision.firings[0].trigger["logical_date"], "2026-11-22");
}

#[test]
fn a_form_says_types_bounds_choices_and_what_has_to_be_given() {
    let params = serde_json::from_value(json!({
        "day": {"type": "date", "default": "${{ trigger.logical_date }}"},
        "rows": {"type": "integer", "min": 1, "max": 9, "description": "How many."},
        "kinds": {"type": "list[string]", "choices": ["a", "b"], "default": ["a"]},
    }))
    .unwrap();
    assert_eq!(
        form(&params),
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "day": {"type": "string", "format": "date"},
                "rows": {"type": "integer", "minimum": 1, "maximum": 9, "description": "How many."},
                "kinds": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "default": ["a"]},
            },
            "required": ["rows"],
            "additionalProperties": false,
        })
    );
}
