use super::*;
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp(second * 1_000_000)
}

fn pool(limits: PoolLimits, held: &[(i64, u32)]) -> Pool {
    Pool {
        name: "db".to_owned(),
        limits,
        held: held.iter().copied().collect(),
        starts: Vec::new(),
    }
}

fn slots(slots: u32) -> PoolLimits {
    PoolLimits {
        slots: Some(slots),
        rate: None,
    }
}

fn rate(text: &str) -> PoolLimits {
    PoolLimits {
        slots: None,
        rate: Some(text.parse().unwrap()),
    }
}

fn claim(run: i64, step: u32, priority: i64, since: i64) -> Claim {
    Claim {
        run,
        step,
        priority,
        since: at(since),
    }
}

#[test]
fn a_rate_is_a_number_and_a_time() {
    let rate: Rate = "10/1m".parse().unwrap();
    assert_eq!((rate.starts, rate.within), (10, Millis(60_000)));
    assert_eq!(rate.to_string(), "10/1m");
    for wrong in [
        "10", "/1m", "0/1m", "10/0s", "10/m", "+1/1m", "10001/1s", "10/1w", "1/2/3s",
    ] {
        assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
    }
    let limits: PoolLimits = serde_json::from_str(r#"{"slots":2,"rate":"10/1m"}"#).unwrap();
    assert_eq!(
        serde_json::to_string(&limits).unwrap(),
        r#"{"slots":2,"rate":"10/1m"}"#
    );
}

#[test]
fn what_there_is_no_slot_for_waits_and_says_why() {
    let claims = [claim(1, 0, 50, 1), claim(1, 1, 50, 2), claim(1, 2, 50, 3)];
    let allotment = allot(&pool(slots(3), &[(7, 2)]), &claims, at(10));
    assert_eq!(allotment.granted, [0]);
    assert_eq!(
        allotment.waiting,
        [
            (1, "pool `db` has 3 of 3 slots taken".to_owned()),
            (2, "pool `db` has 3 of 3 slots taken; 1 before it".to_owned()),
        ]
    );
    assert_eq!(allotment.ask_at, None);
}

#[test]
fn a_pool_that_was_made_smaller_takes_nobody_until_enough_are_gone() {
    let claims = [claim(1, 0, 50, 1)];
    assert_eq!(allot(&pool(slots(1), &[(7, 3)]), &claims, at(10)).granted, [0; 0]);
    assert_eq!(allot(&pool(slots(1), &[]), &claims, at(10)).granted, [0]);
}

#[test]
fn priority_goes_first_then_who_has_least_then_age() {
    let claims = [
        claim(1, 0, 50, 1),
        claim(1, 1, 50, 1),
        claim(2, 0, 50, 9),
        claim(3, 0, 90, 9),
        claim(4, 0, 50, 8),
    ];
    let allotment = allot(&pool(slots(10), &[]), &claims, at(10));
    assert_eq!(allotment.granted, [3, 0, 4, 2, 1]);
    // Run 1 has slots already: the others come first.
    let allotment = allot(&pool(slots(6), &[(1, 2)]), &claims, at(10));
    assert_eq!(allotment.granted, [3, 4, 2, 0]);
}

#[test]
fn a_minute_of_waiting_is_a_point_of_priority() {
    let claims = [claim(1, 0, 50, 0), claim(2, 0, 51, 60)];
    let first = |now| allot(&pool(slots(1), &[(1, 0)]), &claims, at(now)).granted;
    assert_eq!(first(59), [1]);
    // Now it is as urgent, and older.
    assert_eq!(first(60), [0]);
}

#[test]
fn a_rate_opens_again_when_its_oldest_start_is_past() {
    let mut pool = pool(rate("2/1m"), &[]);
    let claims = [claim(1, 0, 50, 0), claim(1, 1, 50, 0), claim(1, 2, 50, 0)];
    let first = allot(&pool, &claims, at(10));
    assert_eq!(first.granted, [0, 1]);
    assert_eq!(first.starts, [at(10), at(10)]);
    assert_eq!(
        first.waiting,
        [(2, "pool `db` has started 2 within 1m".to_owned())]
    );
    assert_eq!(first.ask_at, Some(at(70)));
    pool.starts = first.starts;
    assert_eq!(allot(&pool, &claims[2..], at(69)).granted, [0; 0]);
    let later = allot(&pool, &claims[2..], at(70));
    assert_eq!((later.granted, later.starts), (vec![0], vec![at(70)]));
}

#[test]
fn a_clock_that_was_set_back_shuts_a_rate_for_its_span_at_most() {
    let mut pool = pool(rate("1/1m"), &[]);
    pool.starts = vec![at(10_000)];
    let allotment = allot(&pool, &[claim(1, 0, 50, 10)], at(10));
    assert_eq!((allotment.granted.len(), allotment.ask_at), (0, Some(at(70))));
}

fn limits() -> impl Strategy<Value = PoolLimits> {
    let rate = (1u32..6, 1u64..120_000).prop_map(|(starts, within)| Rate {
        starts,
        within: Millis(within),
    });
    (proptest::option::of(1u32..6), proptest::option::of(rate))
        .prop_map(|(slots, rate)| PoolLimits { slots, rate })
}

proptest! {
    /// Nobody is forgotten or counted twice, limits hold, and room is used.
    #[test]
    fn every_claim_is_granted_or_waits_and_no_room_is_left_beside_one_that_waits(
        limits in limits(),
        claims in proptest::collection::vec((0i64..5, 0u32..4, 0i64..=100, 0i64..200), 0..30),
        held in proptest::collection::btree_map(0i64..5, 0u32..3, 0..4),
        starts in proptest::collection::vec(0i64..300, 0..8),
    ) {
        let now = at(200);
        let pool = Pool {
            name: "db".to_owned(),
            limits,
            held: held.clone(),
            starts: starts.into_iter().map(at).collect(),
        };
        let claims: Vec<Claim> = claims
            .into_iter()
            .map(|(run, step, priority, since)| claim(run, step, priority, since))
            .collect();
        let allotment = allot(&pool, &claims, now);
        let mut seen: Vec<usize> = allotment.granted.clone();
        seen.extend(allotment.waiting.iter().map(|(at, _)| *at));
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..claims.len()).collect::<Vec<_>>());
        let before: u32 = held.values().sum();
        let after = before + allotment.granted.len() as u32;
        if let Some(slots) = limits.slots {
            prop_assert!(after <= slots.max(before));
        }
        if let Some(rate) = limits.rate {
            let counted = recent(&pool, now).len() + allotment.granted.len();
            prop_assert!(counted <= (rate.starts as usize).max(recent(&pool, now).len()));
            prop_assert_eq!(allotment.starts.len(), counted);
        }
        if !allotment.waiting.is_empty() {
            let no_slot = limits.slots.is_some_and(|slots| after >= slots);
            let no_start = limits.rate.is_some_and(|rate| allotment.starts.len() >= rate.starts as usize);
            prop_assert!(no_slot || no_start);
            if no_start && !no_slot {
                prop_assert!(allotment.ask_at.is_some_and(|at| at > now));
            }
        }
        prop_assert_eq!(allot(&pool, &claims, now), allotment);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// However many keep coming and however urgent they are: whoever comes 100 minutes later than a claim
    /// is served after it.
    #[test]
    fn nothing_starves(priority in 0i64..=100, newcomers in 1u32..4, slots in 1u32..3) {
        let pool = pool(self::slots(slots), &[]);
        let mut waiting = vec![claim(0, 0, priority, 0)];
        let mut runs = 0;
        // Every attempt takes a minute, and more of the highest priority come than go.
        let is_served = (0..1_000).any(|minute| {
            for _ in 0..newcomers + slots {
                runs += 1;
                waiting.push(claim(runs, 0, 100, minute * 60));
            }
            let served = allot(&pool, &waiting, at(minute * 60)).granted;
            let late = |place: &&usize| waiting[**place].since > at((100 - priority) * 60);
            let is_served = served.contains(&0);
            assert!(is_served || served.iter().find(late).is_none(), "overtaken in minute {minute}");
            let mut place = 0;
            waiting.retain(|_| {
                place += 1;
                !served.contains(&(place - 1))
            });
            is_served
        });
        prop_assert!(is_served);
    }
}
