//! Verdicts and reasons, rule by rule.

use super::*;

fn verdicts(plan: &Plan) -> String {
    let lines = plan.steps.iter().flat_map(|step| &step.cells).map(|cell| {
        let reasons: Vec<String> = cell.reasons.iter().map(Reason::to_string).collect();
        format!(
            "{} {}: {}",
            cell.instance,
            cell.verdict.word(),
            reasons.join("; ")
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn check(before: Vec<Draft>, change: impl FnOnce(&mut World), now: Vec<Draft>, expected: &str) {
    let mut world = World::default();
    let before = world.run(&Arc::new(definition(before))).0;
    change(&mut world);
    let plan = world.plan(&Arc::new(definition(now)), Some(&before));
    assert_eq!(verdicts(&plan), expected);
}

fn chain() -> Vec<Draft> {
    vec![
        cached(step("a")),
        cached(step("b")).takes(&["a"]),
        cached(step("c")).needs(&["b"]),
    ]
}

#[test]
fn nothing_changed_nothing_runs() {
    check(
        chain(),
        |_| {},
        chain(),
        "a reused: unchanged\nb reused: unchanged\nc reused: unchanged",
    );
}

#[test]
fn order_alone_makes_nothing_run_again() {
    let mut now = chain();
    now[1] = now[1].clone().with(|i| i.with = serde_json::json!({"n": 2}));
    check(
        chain(),
        |_| {},
        now,
        "a reused: unchanged\nb run: config changed: with null -> {\"n\":2}\nc reused: unchanged",
    );
}

#[test]
fn results_that_are_gone_are_made_again() {
    check(
        chain(),
        |world| world.results.clear(),
        chain(),
        "a run: no earlier result of these inputs\nb run: upstream\n\
         c run: no earlier result of these inputs",
    );
}

#[test]
fn a_new_version_of_a_step_runs() {
    let mut now = chain();
    now[0] = now[0].clone().with(|i| i.uses = "bench.noop@v2".to_owned());
    check(
        chain(),
        |_| {},
        now,
        "a run: step version changed v1 -> v2\nb run: upstream\nc reused: unchanged",
    );
}

#[test]
fn what_failed_before_says_so() {
    let drafts = || vec![cached(step("a")), cached(step("b")).takes(&["a"])];
    let mut play = Play::started(drafts());
    play.fails("a", FailureClass::Rejected);
    let mut world = World::default();
    let plan = world.plan(&Arc::new(definition(drafts())), Some(&play.run));
    assert_eq!(
        verdicts(&plan),
        "a run: previous attempt failed\nb run: never ran"
    );
}

#[test]
fn steps_without_reuse_always_run_and_a_known_condition_is_decided() {
    let drafts = || {
        vec![
            cached(step("a")),
            step("b").needs(&["a"]),
            step("c").needs(&["a"]).when("steps.a.status == 'succeeded'"),
            step("d").needs(&["a"]).when("steps.a.status == 'failed'"),
            step("e").takes(&["d"]),
            step("f").needs(&["b"]).when("steps.b.status == 'succeeded'"),
            step("g").needs(&["f"]),
            step("h").takes(&["f"]),
        ]
    };
    check(
        drafts(),
        |_| {},
        drafts(),
        "a reused: unchanged\n\
         b run: cache off\n\
         c run: cache off\n\
         d skipped: if steps.a.status == 'failed': is false\n\
         e skipped: no data from d\n\
         f maybe: if steps.b.status == 'succeeded'; cache off\n\
         g run: cache off\n\
         h maybe: depends on f; cache off",
    );
}

#[test]
fn a_gate_makes_maybes_of_all_below_it() {
    let drafts = || {
        vec![
            step("gate").gate(rule(2)),
            step("deploy").needs(&["gate"]),
            step("after").needs(&["deploy"]),
        ]
    };
    let mut world = World::default();
    let plan = world.plan(&Arc::new(definition(drafts())), None);
    assert_eq!(
        verdicts(&plan),
        "gate maybe: waits for 2 of role model_risk (not the author), expires after 1 h\n\
         deploy maybe: depends on gate; never ran\n\
         after maybe: depends on deploy; never ran"
    );
    assert!(plan.has_work() && plan.will_run().next().is_none());
}

#[test]
fn selecting_a_step_takes_what_it_needs_from_earlier_results_or_fails() {
    let mut world = World::default();
    let now = Arc::new(definition(chain()));
    let select = BTreeSet::from([1]);
    let first = plan(now.clone(), None, Some(&select), &mut world).unwrap();
    assert_eq!(
        verdicts(&first),
        "a skipped: not selected\n\
         b fails: needs a, which is not selected and has no earlier result\n\
         c skipped: not selected"
    );
    world.run(&now);
    let second = plan(now, None, Some(&select), &mut world).unwrap();
    assert_eq!(
        verdicts(&second),
        "a reused: unchanged\nb reused: unchanged\nc skipped: not selected"
    );
}

#[test]
fn changed_data_is_named() {
    let mut world = world();
    let definition = flights("dev", "24h", 40);
    let before = made(&mut world, &definition);
    world.contents.insert("flights_raw".to_owned(), (1, 2));
    let plan = world.plan(&definition, Some(&before));
    let ingest = plan.steps.iter().find(|step| step.step == "ingest").unwrap();
    assert_eq!(
        ingest.cells[0].reasons,
        [Reason::InputChanged {
            input: "flights_raw".to_owned()
        }]
    );
    assert_eq!(plan.data[0].changed, Some(true));
}
