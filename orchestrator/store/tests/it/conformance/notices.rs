use super::Open;
use crate::material::{create_owned, draft, owner, started_run};
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{Millis, Timestamp};
use trainyard_domain::notice::{self, Address, Declared, Happening, Next, Subscription};
use trainyard_domain::pipeline::spec::Channel;
use trainyard_store::{
    Changed, ClaimedBatch, ClaimedNotice, NoticeFilter, NoticeState, Owner, Settlement, Store,
};

const LEASE: Millis = Millis(30_000);

fn channel(json: &str) -> Channel {
    serde_json::from_str(json).unwrap()
}

fn subscription(json: &str) -> Subscription {
    serde_json::from_str(json).unwrap()
}

/// A file `log` that hears of everything, and a Slack channel `people` of two messages a minute that hears
/// of models.
fn declared() -> Declared {
    Declared {
        project: None,
        channels: [
            (
                Address::of_project("log"),
                channel(r#"{"type": "file", "path": "log.ndjson"}"#),
            ),
            (
                Address::of_project("people"),
                channel(r#"{"type": "slack", "secret": "hook", "limit": "2/1m"}"#),
            ),
        ]
        .into(),
        subscriptions: [
            (
                "all".to_owned(),
                subscription(r#"{"events": ["*"], "to": ["notify.log"]}"#),
            ),
            (
                "models".to_owned(),
                subscription(r#"{"events": ["model.*"], "to": ["notify.people"], "models": ["late"]}"#),
            ),
        ]
        .into(),
    }
}

fn store(open: Open<'_>) -> Store {
    let mut store = open();
    store.declare_notices(&declared(), true, Timestamp(1)).unwrap();
    store
}

/// A happening of a subject, to the file alone.
fn happening(subject: &str, number: u32) -> Happening {
    let mut happening = notice::alias_moved(subject, "champion", None, number, Timestamp(i64::from(number)));
    happening.about.model = None;
    happening
}

fn claim(store: &mut Store, who: &Owner, now: Timestamp) -> Vec<ClaimedBatch> {
    let one = || store.claim_notices(who, now, LEASE, 0, &|_| 100).unwrap();
    std::iter::from_fn(one).collect()
}

fn ids(batch: &ClaimedBatch) -> Vec<&str> {
    batch
        .notices
        .iter()
        .map(|notice| notice.happening.id.as_str())
        .collect()
}

fn all(store: &Store) -> Vec<(String, NoticeState)> {
    let filter = NoticeFilter {
        limit: 1_000,
        ..NoticeFilter::default()
    };
    let listed = store.notices(&filter).unwrap();
    listed
        .into_iter()
        .rev()
        .map(|notice| (notice.happening.id, notice.state))
        .collect()
}

fn again(at: Timestamp) -> Settlement {
    Settlement::Tried(Next::Again {
        at,
        why: "busy".to_owned(),
    })
}

fn delivered() -> Settlement {
    Settlement::Tried(Next::Delivered)
}

pub(crate) fn a_notice_is_kept_with_the_event_that_caused_it_or_not_at_all(open: Open<'_>) {
    let mut store = store(open);
    let run = create_owned(&mut store, 1, "flights");
    let told = [happening("early", 1)];
    let mut turn = store.begin().unwrap();
    turn.append(&run, 1, 0, &[started_run(5)]).unwrap();
    turn.tell(&told).unwrap();
    drop(turn);
    assert_eq!(all(&store), []);
    let mut turn = store.begin().unwrap();
    turn.append(&run, 1, 0, &[started_run(5)]).unwrap();
    turn.tell(&told).unwrap();
    turn.commit().unwrap();
    assert_eq!(all(&open()), [(told[0].id.clone(), NoticeState::Waiting)]);
}

pub(crate) fn subscribers_hear_of_what_they_asked_for_and_once(open: Open<'_>) {
    let mut store = store(open);
    let of_model = notice::alias_moved("late", "champion", Some(1), 2, Timestamp(7));
    let of_another = notice::alias_moved("early", "champion", Some(1), 2, Timestamp(7));
    for _ in 0..2 {
        store.tell(&[of_model.clone(), of_another.clone()]).unwrap();
    }
    let batches = claim(&mut store, &owner("a"), open.at(10));
    let heard: Vec<(String, Vec<&str>)> = batches
        .iter()
        .map(|batch| (batch.to.to_string(), ids(batch)))
        .collect();
    let (late, early) = (of_model.id.as_str(), of_another.id.as_str());
    assert_eq!(
        heard,
        [
            ("log".to_owned(), vec![late, early]),
            ("people".to_owned(), vec![late])
        ]
    );
    assert_eq!(batches[0].channel.as_ref().map(Channel::kind), Some("file"));
}

pub(crate) fn what_the_store_does_itself_is_told(open: Open<'_>) {
    let mut store = store(open);
    let run = create_owned(&mut store, 1, "flights");
    let mut turn = store.begin().unwrap();
    turn.append(&run, 1, 0, &[started_run(5)]).unwrap();
    turn.register_model(
        &run,
        "register",
        &draft("late", "a", Some("candidate")),
        Timestamp(6),
    )
    .unwrap();
    turn.commit().unwrap();
    store.set_alias("late", "champion", "1", Timestamp(7)).unwrap();
    store.set_alias("late", "champion", "1", Timestamp(8)).unwrap();
    let told: Vec<String> = all(&store).into_iter().map(|(id, _)| id).collect();
    let once: BTreeSet<&str> = told.iter().map(String::as_str).collect();
    assert_eq!(
        once,
        BTreeSet::from(["late.1", "late.candidate.6", "late.champion.7"]),
        "an alias that stays where it is says nothing"
    );
}

pub(crate) fn a_failing_notice_holds_up_its_own_subject_alone(open: Open<'_>) {
    let mut store = store(open);
    let told: Vec<Happening> = [("a", 1), ("b", 1), ("a", 2), ("b", 2)]
        .map(|(subject, number)| happening(subject, number))
        .into();
    store.tell(&told).unwrap();
    let who = owner("a");
    let batches = claim(&mut store, &who, open.at(1_000));
    let [batch] = batches.as_slice() else {
        panic!("{batches:?}")
    };
    assert_eq!(batch.notices.len(), 4);
    assert_eq!(
        claim(&mut store, &owner("b"), open.at(1_001)),
        [],
        "they are in hands"
    );
    let [a1, b1, a2, b2] = [0, 1, 2, 3].map(|at| &batch.notices[at]);
    let settled = [
        (a1, again(Timestamp(5_001_000))),
        (b1, delivered()),
        (a2, Settlement::Untouched),
        (b2, delivered()),
    ];
    store.settle_notices(&settled, open.at(1_000)).unwrap();
    store.tell(&[happening("b", 3)]).unwrap();
    let batches = claim(&mut store, &who, open.at(2_000));
    assert_eq!(ids(&batches[0]), ["b.champion.3"], "`a` waits for its first");
    store
        .settle_notices(&[(&batches[0].notices[0], delivered())], open.at(2_000))
        .unwrap();
    assert_eq!(
        store.next_notice_due().unwrap(),
        Some(Timestamp(0)),
        "its second may be tried, but not before the first"
    );
    let batches = claim(&mut store, &who, open.at(5_001_000));
    assert_eq!(ids(&batches[0]), ["a.champion.1", "a.champion.2"]);
    assert_eq!((batches[0].notices[0].tries, batches[0].notices[1].tries), (2, 1));
}

pub(crate) fn a_notice_is_in_one_hand_until_its_lease_ends_or_its_owner_dies(open: Open<'_>) {
    let mut store = store(open);
    store.tell(&[happening("a", 1)]).unwrap();
    let first = claim(&mut store, &owner("a"), open.at(1_000));
    assert_eq!(claim(&mut store, &owner("b"), open.at(30_000_999)), []);
    let second = claim(&mut store, &owner("b"), open.at(30_001_000));
    assert_eq!(ids(&second[0]), ["a.champion.1"]);
    let late = [(
        &first[0].notices[0],
        Settlement::Tried(Next::Dead { why: "no".to_owned() }),
    )];
    store.settle_notices(&late, open.at(30_001_001)).unwrap();
    assert_eq!(all(&store)[0].1, NoticeState::Waiting, "who lost it has no say");
    store
        .settle_notices(&[(&second[0].notices[0], delivered())], open.at(30_001_002))
        .unwrap();
    assert_eq!(all(&store)[0].1, NoticeState::Delivered);

    store.tell(&[happening("a", 2)]).unwrap();
    let living = owner("c");
    let dead = Owner {
        process_start: living.process_start + 1,
        ..living
    };
    let one = |who: &Owner, store: &mut Store, now| {
        store
            .claim_notices(who, now, LEASE, 0, &|_| 100)
            .unwrap()
            .is_some()
    };
    assert!(one(&dead, &mut store, open.at(40_000_000)));
    assert!(one(&owner("b"), &mut store, open.at(40_000_001)));
}

pub(crate) fn a_storm_is_told_to_people_in_one_notice(open: Open<'_>) {
    let mut store = store(open);
    let storm: Vec<Happening> = (0..10_000)
        .map(|number| notice::alias_moved("late", "champion", None, number, Timestamp(i64::from(number))))
        .collect();
    store.tell(&storm).unwrap();
    let batches = claim(&mut store, &owner("a"), open.at(100_000));
    let people = batches.iter().find(|batch| batch.to.channel == "people").unwrap();
    let titles: Vec<&str> = people
        .notices
        .iter()
        .map(|notice| notice.happening.title.as_str())
        .collect();
    assert_eq!(
        titles,
        ["`champion` of model late is version 0", "9999 further notices"]
    );
    assert_eq!(people.notices[1].happening.text, "9999 model.alias_moved.");
    let settled: Vec<(&ClaimedNotice, Settlement)> = people
        .notices
        .iter()
        .map(|notice| (notice, delivered()))
        .collect();
    store.settle_notices(&settled, open.at(100_000)).unwrap();
    let one_more = notice::alias_moved("late", "champion", None, 7, Timestamp(20_000));
    store.tell(std::slice::from_ref(&one_more)).unwrap();
    let of_people = |batches: Vec<ClaimedBatch>| {
        batches
            .iter()
            .filter(|batch| batch.to.channel == "people")
            .count()
    };
    assert_eq!(
        of_people(claim(&mut store, &owner("a"), open.at(200_000))),
        0,
        "their share is used up"
    );
    assert_eq!(of_people(claim(&mut store, &owner("a"), open.at(60_200_000))), 1);
    let log = batches.iter().find(|batch| batch.to.channel == "log").unwrap();
    assert_eq!(log.notices.len(), 100, "a file gets everything, batch by batch");
}

pub(crate) fn dead_letters_are_listed_and_sent_again(open: Open<'_>) {
    let mut store = store(open);
    store.tell(&[happening("a", 1), happening("b", 1)]).unwrap();
    let batches = claim(&mut store, &owner("a"), open.at(1_000));
    let dead = || {
        Settlement::Tried(Next::Dead {
            why: "it answered 410".to_owned(),
        })
    };
    let settled: Vec<(&ClaimedNotice, Settlement)> =
        batches[0].notices.iter().map(|notice| (notice, dead())).collect();
    store.settle_notices(&settled, open.at(2_000)).unwrap();
    let filter = NoticeFilter {
        state: Some(NoticeState::Dead),
        limit: 10,
        ..NoticeFilter::default()
    };
    let listed = store.notices(&filter).unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].error.as_deref(), Some("it answered 410"));
    assert_eq!(listed[0].settled_at, Some(Timestamp(2_000)));
    let counts = store.notice_counts().unwrap();
    assert_eq!(
        (counts.len(), counts[0].count, counts[0].state),
        (1, 2, NoticeState::Dead)
    );
    assert!(store.resend_notice(listed[0].number).unwrap());
    assert!(
        !store.resend_notice(listed[0].number).unwrap(),
        "it waits already"
    );
    assert!(!store.resend_notice(9_999).unwrap());
    assert_eq!(store.resend_dead_notices(Some("people")).unwrap(), 0);
    assert_eq!(store.resend_dead_notices(None).unwrap(), 1);
    let batches = claim(&mut store, &owner("a"), open.at(3_000));
    assert_eq!(batches[0].notices.len(), 2);
    assert_eq!(batches[0].notices[0].tries, 1, "it begins afresh");
}

pub(crate) fn a_file_declares_what_is_there_and_the_api_keeps_its_own(open: Open<'_>) {
    let mut store = store(open);
    let own = channel(r#"{"type": "file", "path": "own.ndjson"}"#);
    assert_eq!(
        store.put_channel("log", &own, "ada", Timestamp(2)).unwrap(),
        Changed::OfFile
    );
    assert_eq!(store.remove_channel("log").unwrap(), Changed::OfFile);
    assert_eq!(store.remove_channel("none").unwrap(), Changed::Unknown);
    assert_eq!(
        store.put_channel("own", &own, "ada", Timestamp(2)).unwrap(),
        Changed::Done
    );
    let mine = subscription(r#"{"events": ["run.failed"], "to": ["notify.own"]}"#);
    assert_eq!(
        store.put_subscription("all", &mine, "ada", Timestamp(2)).unwrap(),
        Changed::OfFile
    );
    assert_eq!(
        store
            .put_subscription("mine", &mine, "ada", Timestamp(2))
            .unwrap(),
        Changed::Done
    );
    let less = Declared {
        project: None,
        channels: declared().channels.into_iter().take(1).collect(),
        subscriptions: BTreeMap::new(),
    };
    store.declare_notices(&less, true, Timestamp(3)).unwrap();
    let names: Vec<String> = store
        .channels()
        .unwrap()
        .into_iter()
        .map(|known| known.address.to_string())
        .collect();
    assert_eq!(names, ["log", "own"]);
    let subscriptions = store.subscriptions().unwrap();
    assert_eq!(subscriptions.len(), 1);
    assert_eq!(
        (
            subscriptions[0].name.as_str(),
            subscriptions[0].changed_by.as_str()
        ),
        ("mine", "ada")
    );
    assert_eq!(store.remove_subscription("mine").unwrap(), Changed::Done);
    assert_eq!(store.remove_channel("own").unwrap(), Changed::Done);
}

pub(crate) fn old_notices_go_and_those_that_wait_stay(open: Open<'_>) {
    let mut store = store(open);
    store
        .tell(&[happening("a", 1), happening("b", 1), happening("c", 1)])
        .unwrap();
    let batches = claim(&mut store, &owner("a"), open.at(1_000));
    let [a, b, _] = batches[0].notices.as_slice() else {
        panic!("{batches:?}")
    };
    let dead = Settlement::Tried(Next::Dead { why: "no".to_owned() });
    store
        .settle_notices(&[(a, delivered()), (b, dead)], open.at(1_000))
        .unwrap();
    let day = 86_400_000_000;
    assert_eq!(store.trim_notices(open.at(6 * day)).unwrap(), 0);
    assert_eq!(store.trim_notices(open.at(8 * day)).unwrap(), 1);
    assert_eq!(store.trim_notices(open.at(31 * day)).unwrap(), 1);
    assert_eq!(all(&store), [("c.champion.1".to_owned(), NoticeState::Waiting)]);
}

/// Random deliverers that fail, die, are slow and come back: each lane is delivered in order, nothing is
/// lost, and nothing is in two hands at a time.
pub(crate) fn lanes_stay_in_order_whatever_becomes_of_those_who_deliver(open: Open<'_>) {
    for seed in 1..=5 {
        let mut store = store(open);
        let mut random = Random(seed);
        let owners = [owner("a"), owner("b"), owner("c")];
        let (mut made, mut now) = (BTreeMap::<String, u32>::new(), seed as i64 * 1_000_000_000_000);
        let mut hands: Vec<(ClaimedBatch, i64)> = Vec::new();
        let mut first_deliveries: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut turns = 0;
        loop {
            turns += 1;
            let is_ending = turns > 100;
            now += random.below(4_000_000) as i64;
            let clock = open.at(now);
            if !is_ending && random.below(3) == 0 {
                let subject = format!("{seed}-{}", random.below(4));
                let number = made.entry(subject.clone()).or_default();
                *number += 1;
                store.tell(&[happening(&subject, *number)]).unwrap();
            }
            let who = &owners[random.below(3) as usize];
            let size = 1 + random.below(5) as u32;
            if let Some(batch) = store.claim_notices(who, clock, LEASE, turns, &|_| size).unwrap() {
                for notice in &batch.notices {
                    let twice = hands.iter().any(|(other, until)| {
                        *until > now && other.notices.iter().any(|held| held.number == notice.number)
                    });
                    assert!(!twice, "seed {seed}: {} is in two hands", notice.number);
                }
                hands.push((batch, now + LEASE.0 as i64 * 1_000));
            }
            if !hands.is_empty() && random.below(2) == 0 {
                let at = random.below(hands.len() as u64) as usize;
                let (batch, until) = hands.swap_remove(at);
                // Some die with what they hold, and nobody hears of them again.
                if (is_ending || random.below(4) > 0) && until > now {
                    let mut settled = Vec::new();
                    let mut stuck = BTreeSet::new();
                    for notice in &batch.notices {
                        if stuck.contains(&notice.subject) {
                            settled.push((notice, Settlement::Untouched));
                        } else if !is_ending && random.below(3) == 0 {
                            stuck.insert(notice.subject.clone());
                            settled.push((notice, again(Timestamp(now + 7_000_000))));
                        } else {
                            first_deliveries
                                .entry(notice.subject.clone())
                                .or_default()
                                .push(notice.number);
                            settled.push((notice, delivered()));
                        }
                    }
                    store.settle_notices(&settled, clock).unwrap();
                }
            }
            let waiting = all(&store)
                .iter()
                .any(|(_, state)| *state == NoticeState::Waiting);
            if is_ending && !waiting {
                break;
            }
            assert!(turns < 5_000, "seed {seed}: something is never delivered");
        }
        for (subject, numbers) in &first_deliveries {
            assert!(numbers.is_sorted(), "seed {seed}: {subject} came as {numbers:?}");
        }
        let total: usize = first_deliveries.values().map(Vec::len).sum();
        assert_eq!(
            total,
            made.values().map(|count| *count as usize).sum::<usize>(),
            "seed {seed}"
        );
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

pub(crate) fn of_many_servers_that_deliver_at_once_each_notice_is_one_servers(open: Open<'_>) {
    const SERVERS: usize = 4;
    let mut store = store(open);
    let told: Vec<Happening> = (0..200u32)
        .map(|number| happening(&format!("s{}", number % 10), number))
        .collect();
    store.tell(&told).unwrap();
    let now = open.at(1_000_000);
    let taken: Vec<Vec<(String, u64)>> = std::thread::scope(|scope| {
        let servers: Vec<_> = (0..SERVERS)
            .map(|server| {
                scope.spawn(move || {
                    let mut store = open();
                    let who = owner(&format!("server-{server}"));
                    let mut taken = Vec::new();
                    let mut idle = 0;
                    while idle < 20 {
                        let batch = match store.claim_notices(&who, now, LEASE, server, &|_| 7) {
                            Ok(batch) => batch,
                            Err(trainyard_store::StoreError::Busy { .. }) => continue,
                            Err(error) => panic!("{error}"),
                        };
                        idle = if batch.is_none() { idle + 1 } else { 0 };
                        if let Some(batch) = batch {
                            let settled: Vec<(&ClaimedNotice, Settlement)> =
                                batch.notices.iter().map(|notice| (notice, delivered())).collect();
                            taken.extend(
                                batch
                                    .notices
                                    .iter()
                                    .map(|notice| (notice.subject.clone(), notice.number)),
                            );
                            store.settle_notices(&settled, now).unwrap();
                        }
                    }
                    taken
                })
            })
            .collect();
        servers.into_iter().map(|server| server.join().unwrap()).collect()
    });
    let numbers: BTreeSet<u64> = taken.iter().flatten().map(|(_, number)| *number).collect();
    assert_eq!(taken.iter().map(Vec::len).sum::<usize>(), 200, "none twice");
    assert_eq!(numbers.len(), 200, "none lost");
    for of_server in &taken {
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for (subject, number) in of_server {
            let before = last.insert(subject, *number);
            assert!(before.is_none_or(|before| before < *number), "{subject}");
        }
    }
}
