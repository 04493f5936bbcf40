//! What is told of which events, who hears of it, and when it is sent again.

use super::*;
use crate::pipeline::spec::Channel;
use crate::pool::Rate;
use crate::run::definition::RunDefinition;
use crate::run::fixture::{definition, step};
use crate::run::{Event, Run, RunOutcome, SlaLimit, What};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use trainyard_contract::task::{Failure, ResourcesUsed};
use trainyard_contract::{FailureClass, Millis, RunId, Timestamp};

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

fn run_id() -> RunId {
    RunId::from_parts(1_800_000_000_000, [7; 10])
}

fn failing() -> RunDefinition {
    let mut definition = definition([step("first"), step("second")]);
    definition.owner = Some("team-ml".to_owned());
    definition.notices = RunNotices {
        on_failure: vec!["notify.oncall".to_owned(), "notify.own".to_owned()],
        on_step_failure: [("first".to_owned(), vec!["notify.own".to_owned()])].into(),
        channels: [(
            "own".to_owned(),
            Channel::File {
                path: "out.ndjson".to_owned(),
            },
        )]
        .into(),
    };
    definition.bounds.on_breach = vec!["notify.oncall".to_owned()];
    definition
}

fn event(what: What) -> Event {
    Event { at: NOW, what }
}

fn failed_attempt(retry_at: Option<Timestamp>) -> Event {
    let mut failure = Failure::new(FailureClass::ExitCode, "exit status 3: password=hunter2");
    failure.log_tail = vec!["password=hunter2".to_owned()];
    event(What::AttemptFailed {
        step: 0,
        attempt: 2,
        failure,
        retry_at,
        resources: ResourcesUsed::default(),
        kept: Default::default(),
    })
}

/// The happenings of these events in a run of [`failing`], the first event being number 1.
fn told(events: &[Event]) -> Vec<Happening> {
    let mut run = Run::new(run_id(), Arc::new(failing())).unwrap();
    events.iter().for_each(|event| run.apply(event));
    of_run(&run, 1, events)
}

fn started() -> Event {
    event(What::RunStarted {
        by: "ada".to_owned(),
        reuse_only: Vec::new(),
    })
}

#[test]
fn a_failed_run_is_told_with_where_whose_and_what_to_do() {
    let told = told(&[
        started(),
        failed_attempt(None),
        event(What::RunEnded {
            outcome: RunOutcome::Failed,
        }),
    ]);
    let kinds: Vec<&str> = told.iter().map(|happening| happening.kind.as_str()).collect();
    assert_eq!(kinds, ["run.started", "step.failed", "run.failed"]);
    let ids: Vec<String> = told.iter().map(|happening| happening.id.clone()).collect();
    assert_eq!(ids, [1, 2, 3].map(|number| format!("{}.{number}", run_id())));
    let step = &told[1];
    assert_eq!(step.about.step.as_deref(), Some("first"));
    assert_eq!(
        step.text,
        "Cause: its process ended with an error, after 2 attempts."
    );
    assert_eq!(
        step.to,
        [Address {
            pipeline: Some("example".to_owned()),
            channel: "own".to_owned()
        }]
    );
    let run = &told[2];
    assert_eq!(run.about.owner.as_deref(), Some("team-ml"));
    assert_eq!(run.about.by.as_deref(), Some("ada"));
    assert!(run.advice.contains("trainyard runs retry"), "{run:?}");
    assert_eq!(run.to[0], Address::of_project("oncall"));
    assert_eq!(run.to.len(), 2);
}

#[test]
fn nothing_that_a_process_wrote_is_told() {
    let told = told(&[started(), failed_attempt(None)]);
    let text = serde_json::to_string(&told).unwrap();
    assert!(
        !text.contains("hunter2") && !text.contains("exit status"),
        "{text}"
    );
}

#[test]
fn an_attempt_that_is_tried_again_is_not_told() {
    assert_eq!(told(&[started(), failed_attempt(Some(NOW))]).len(), 1);
}

#[test]
fn a_late_run_is_told_to_whom_its_sla_names() {
    let told = told(&[
        started(),
        event(What::SlaBreached {
            limit: SlaLimit::MaxDuration,
            due: NOW,
        }),
    ]);
    assert_eq!(told[1].kind, Kind::SlaBreached);
    assert_eq!(told[1].to, [Address::of_project("oncall")]);
    assert!(told[1].text.contains("`sla.max_duration`"), "{:?}", told[1]);
}

#[test]
fn the_same_events_are_the_same_happenings() {
    let events = [started(), failed_attempt(None)];
    assert_eq!(told(&events), told(&events));
}

fn subscription(text: &str) -> Subscription {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_subscription_hears_of_what_all_its_lists_have() {
    let failed = told(&[
        started(),
        event(What::RunEnded {
            outcome: RunOutcome::Failed,
        }),
    ])
    .pop()
    .unwrap();
    let wants = |text: &str| subscription(text).wants(&failed);
    assert!(wants(r#"{"events": ["run.failed"], "to": ["notify.a"]}"#));
    assert!(wants(
        r#"{"events": ["model.*", "run.*"], "to": ["notify.a"], "pipelines": ["example"]}"#
    ));
    assert!(wants(
        r#"{"events": ["*"], "to": ["notify.a"], "owners": ["team-ml"], "people": ["ada"]}"#
    ));
    assert!(!wants(r#"{"events": ["run.succeeded"], "to": ["notify.a"]}"#));
    assert!(!wants(
        r#"{"events": ["*"], "to": ["notify.a"], "pipelines": ["q"]}"#
    ));
    assert!(!wants(
        r#"{"events": ["*"], "to": ["notify.a"], "owners": ["team-ml"], "people": ["bob"]}"#
    ));
    assert!(!wants(
        r#"{"events": ["*"], "to": ["notify.a"], "models": ["late"]}"#
    ));
}

#[test]
fn a_test_of_a_channel_is_nobody_elses_business() {
    let test = test("oncall", "ada", NOW);
    assert!(!subscription(r#"{"events": ["*"], "to": ["notify.a"]}"#).wants(&test));
}

#[test]
fn only_kinds_that_there_are_can_be_subscribed_to() {
    for text in ["run.failed", "run.*", "*"] {
        assert!(text.parse::<Kinds>().is_ok(), "{text}");
    }
    for text in ["run.fialed", "run*", "channel.test", "", "**", "notices.*"] {
        assert!(text.parse::<Kinds>().is_err(), "{text}");
    }
}

#[test]
fn channels_are_named_with_their_prefix() {
    for text in [
        "oncall",
        "notify.",
        "notify.A",
        "notify.a b",
        "notify.-a",
        "mail.a",
    ] {
        assert!(text.parse::<ChannelName>().is_err(), "{text}");
    }
    assert_eq!("notify.oncall".parse::<ChannelName>().unwrap().name(), "oncall");
}

#[test]
fn a_trigger_that_started_its_run_or_was_told_twice_is_not_told() {
    let of = |verdict| {
        held(&Held {
            pipeline: "p",
            trigger: "nightly",
            at: NOW,
            due: None,
            verdict,
            reason: Some("the pipeline is paused"),
        })
        .map(|happening| happening.kind)
    };
    assert_eq!(of("started"), None);
    assert_eq!(of("repeated"), None);
    assert_eq!(of("paused"), Some(Kind::TriggerHeld));
    assert_eq!(of("missed"), Some(Kind::TriggerMissed));
    assert_eq!(of("refused"), Some(Kind::TriggerRefused));
}

/// CVE-2026-2393 and its kind: every way to write an address that only this machine can reach.
#[test]
fn addresses_of_this_machine_and_its_networks_are_forbidden_in_every_form() {
    let forbidden = [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "169.254.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::ffff:a9fe:a9fe",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "100::1",
        "64:ff9b:1::1",
        "3fff::1",
        "4000::1",
    ];
    for text in forbidden {
        let address: IpAddr = text.parse().unwrap();
        assert!(allowed(address).is_err(), "{text}");
    }
    for text in [
        "1.1.1.1",
        "8.8.8.8",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "2002:808:808::1",
        "64:ff9b::808:808",
    ] {
        let address: IpAddr = text.parse().unwrap();
        assert_eq!(allowed(address), Ok(()), "{text}");
    }
}

#[test]
fn what_is_refused_is_dead_at_once_and_what_may_be_taken_later_is_sent_for_a_day() {
    let refused = Answer::Refused { why: "no".to_owned() };
    assert_eq!(
        after_failure(refused, 1, NOW, 0),
        Next::Dead { why: "no".to_owned() }
    );
    let mut now = NOW;
    let mut tries = 0;
    loop {
        tries += 1;
        let later = Answer::Later {
            after: None,
            why: "busy".to_owned(),
        };
        match after_failure(later, tries, now, 0) {
            Next::Again { at, .. } => now = at,
            Next::Dead { why } => {
                assert_eq!(why, "given up after 15 tries: busy");
                break;
            }
            Next::Delivered => panic!("nothing was taken"),
        }
    }
    let took = now.since(NOW);
    assert!(
        took > Millis(10 * 3_600_000) && took < Millis(30 * 3_600_000),
        "{took}"
    );
}

proptest! {
    #[test]
    fn a_delay_is_at_least_what_is_asked_for_and_never_longer_than_two_hours(
        tries in 1u32..MOST_TRIES, luck in any::<u64>(), asked in proptest::option::of(0u64..100_000_000)
    ) {
        let later = Answer::Later { after: asked.map(Millis), why: String::new() };
        let Next::Again { at, .. } = after_failure(later, tries, NOW, luck) else {
            panic!("it is to be tried again")
        };
        let delay = at.since(NOW).0;
        prop_assert!((4_000..=7_200_000).contains(&delay), "{}", delay);
        prop_assert!(delay >= asked.unwrap_or(0).min(7_200_000));
    }

    /// Whatever arrives when: in no span of the limit do people get more messages than it allows, and
    /// each notice is either sent or told of in one that is.
    #[test]
    fn people_never_get_more_than_their_limit_and_hear_of_everything(
        arrivals in proptest::collection::vec((0u64..120_000, 0u32..400), 0..60),
        starts in 1u32..6, within in 1_000u64..60_000
    ) {
        let limit = Rate { starts, within: Millis(within) };
        let mut arrivals = arrivals;
        arrivals.sort();
        let total: u64 = arrivals.iter().map(|(_, count)| u64::from(*count)).sum();
        let (mut sent, mut waiting, mut heard) = (Vec::<u64>::new(), 0u32, 0u64);
        let mut next = arrivals.into_iter().peekable();
        let mut now = 0u64;
        while next.peek().is_some() || waiting > 0 {
            while let Some((_, count)) = next.next_if(|(at, _)| *at <= now) {
                waiting += count;
            }
            let recent = sent.iter().filter(|at| **at + within > now).count() as u32;
            let (now_sent, folded) = match portion(Some(limit), recent, waiting) {
                Portion::Send(count) => (count, 0),
                Portion::SendAndFold(count) => (count, waiting - count),
            };
            prop_assert!(now_sent <= waiting);
            heard += u64::from(now_sent) + u64::from(folded);
            waiting -= now_sent + folded;
            sent.extend(std::iter::repeat_n(now, now_sent as usize + usize::from(folded > 0)));
            now += 500;
        }
        prop_assert_eq!(heard, total);
        for at in &sent {
            let in_span = sent.iter().filter(|other| **other >= *at && **other < *at + within).count();
            prop_assert!(in_span <= starts as usize, "{} within {}", in_span, within);
        }
    }
}

#[test]
fn one_notice_says_what_ten_thousand_were() {
    let mut folded = Folded::default();
    let happening = told(&[started()]).pop().unwrap();
    for _ in 0..10_000 {
        folded.add(&happening);
    }
    let notice = super::folded("oncall", "1", &folded, NOW);
    assert_eq!(notice.title, "10000 further notices");
    assert_eq!(notice.text, "10000 run.started; by pipeline: 10000 example.");
    assert!(notice.advice.contains("trainyard notices list --channel oncall"));
}

#[test]
fn every_kind_has_a_word_and_a_meaning_of_its_own() {
    let words: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(words.len(), Kind::ALL.len());
    assert!(Kind::ALL.iter().all(|kind| kind.meaning().ends_with('.')));
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}
