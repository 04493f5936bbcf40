//! Random definitions: every feature that a run's rules speak of, small enough to read when one fails.

use super::judge::bounds::FINISH_BY;
use super::random::Random;
use crate::run::fixture::{Draft, definition, step};
use crate::run::{
    ApprovalRule, Backoff, FinishBy, OnExpire, OnRepeatLimit, RetryPolicy, RunBounds, RunDefinition,
};
use trainyard_contract::{FailureClass, Millis};

/// A step as drafted: its instances' names, and whether it has a matrix.
struct Drafted {
    names: Vec<String>,
    matrix: bool,
    for_each: bool,
}

pub(super) fn random_definition(random: &mut Random) -> RunDefinition {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut steps: Vec<Drafted> = Vec::new();
    for at in 0..1 + random.below(9) {
        let matrix = random.percent(25);
        let names: Vec<String> = match matrix {
            true => (0..2 + random.below(3))
                .map(|cell| format!("s{at}[{cell}]"))
                .collect(),
            false => vec![format!("s{at}")],
        };
        let prototype = random_step(random, at, matrix, &steps);
        for name in &names {
            let mut draft = prototype.clone();
            let named = step(name).instance;
            (draft.instance.name, draft.instance.matrix) = (named.name, named.matrix);
            // A condition may hold for some cells only.
            if matrix && random.percent(15) {
                draft = draft.never();
            }
            drafts.push(draft);
        }
        let for_each = prototype.instance.for_each.is_some();
        steps.push(Drafted {
            names,
            matrix,
            for_each,
        });
    }
    for at in 0..random.below(3) {
        let target = random.pick(&steps);
        let name = &target.names[random.below(target.names.len())];
        let hook = step(&format!("hook{at}")).on_failure_of(name);
        drafts.push(with_retry(random, hook));
    }
    let failed = random.below(3);
    for at in 0..failed {
        let mut hook = step(&format!("failed{at}")).when_run_failed();
        if at > 0 && random.percent(50) {
            hook = hook.needs(&[&format!("failed{}", at - 1)]);
        }
        if random.percent(70) {
            hook = hook.may_fail();
        }
        drafts.push(with_retry(random, hook));
    }
    for at in 0..random.below(3) {
        let mut hook = step(&format!("last{at}")).finally();
        if at > 0 && random.percent(50) {
            hook = hook.needs(&[&format!("last{}", at - 1)]);
        }
        if failed > 0 && random.percent(20) {
            hook = hook.needs(&["failed0"]);
        }
        drafts.push(with_retry(random, hook));
    }
    random.shuffle(&mut drafts);
    let mut definition = definition(drafts);
    definition.seed = random.below(usize::MAX) as u64;
    // Drawn apart, so that runs without bounds are what they would be if there were none.
    definition.bounds = random_bounds(&mut Random::new(definition.seed));
    definition
}

fn random_bounds(random: &mut Random) -> RunBounds {
    let span = |random: &mut Random, percent| {
        let is_there = random.percent(percent);
        is_there.then(|| Millis(1 + random.below(60_000) as u64))
    };
    RunBounds {
        timeout: span(random, 10),
        max_duration: span(random, 10),
        finish_by: random.percent(10).then(|| FinishBy {
            time: FINISH_BY.0.to_owned(),
            timezone: "UTC".to_owned(),
        }),
        on_breach: Vec::new(),
        expected: random.percent(10).then(|| Millis(random.below(120_000) as u64)),
        over_budget: None,
    }
}

fn random_step(random: &mut Random, at: usize, matrix: bool, above: &[Drafted]) -> Draft {
    let mut draft = step(&format!("s{at}"));
    let mut singles = Vec::new();
    for _ in 0..random.below(4) {
        if above.is_empty() {
            break;
        }
        let upstream = random.pick(above);
        let names: Vec<&str> = upstream.names.iter().map(String::as_str).collect();
        draft = match random.below(3) {
            0 => draft.needs(&names),
            _ if upstream.for_each || upstream.matrix && random.percent(80) => draft.collects(&names),
            _ => draft.takes(&names[..1]),
        };
        if !upstream.matrix && !upstream.for_each {
            singles.push(names[0].to_owned());
        }
    }
    draft = match random.below(12) {
        0 => draft.never(),
        1 | 2 if !singles.is_empty() => {
            let of = random.pick(&singles).clone();
            draft.needs(&[&of]).when(&random_condition(random, &of))
        }
        _ => draft,
    };
    if matrix {
        let limit = random.percent(60).then(|| 1 + random.below(3) as u32);
        draft = draft.cells(limit, random.percent(40));
        if random.percent(20) {
            draft = random_repeat(random, draft);
        }
    } else if random.percent(15) {
        draft = random_repeat(random, draft);
    } else if random.percent(20) {
        draft = random_items(random, draft, &singles);
    } else if random.percent(10) {
        let on_expire = *random.pick(&[OnExpire::Approve, OnExpire::Reject]);
        let rule = ApprovalRule {
            roles: vec!["model_risk".to_owned()],
            min_approvals: 1 + random.below(2) as u32,
            not_author: random.percent(50),
            expires: random
                .percent(50)
                .then(|| Millis(1 + random.below(20_000) as u64)),
            on_expire,
        };
        draft = match random.percent(70) {
            true => draft.gate(rule),
            false => draft.with(|instance| instance.approval = Some(rule)),
        };
    }
    if random.percent(15) {
        draft = draft.may_fail();
    }
    with_retry(random, draft)
}

/// Conditions in the forms that the judge of the simulation knows.
fn random_repeat(random: &mut Random, draft: Draft) -> Draft {
    let most = 1 + random.below(4) as u32;
    let on_limit = *random.pick(&[OnRepeatLimit::Fail, OnRepeatLimit::GoOn]);
    let until = *random.pick(&["outputs.out >= 5", "iteration >= 1"]);
    draft.repeats(until, most, on_limit)
}

/// Items of a list in the forms that the judge of the simulation knows: as written, or with the
/// number that a step above makes as its last item, which another item may already have.
fn random_items(random: &mut Random, draft: Draft, above: &[String]) -> Draft {
    let count = random.below(5);
    let written: Vec<String> = (0..count).map(|number| (number + 7).to_string()).collect();
    let written = written.join(", ");
    let limit = random.percent(60).then(|| 1 + random.below(3) as u32);
    let fail_fast = random.percent(40);
    if above.is_empty() || random.percent(50) {
        let list = serde_json::from_str(&format!("[{written}]")).unwrap();
        return draft.for_each(list, limit, fail_fast);
    }
    let of = random.pick(above).clone();
    let comma = if count == 0 { "" } else { ", " };
    let text = format!("${{{{ [{written}{comma}steps.{of}.outputs.out] }}}}");
    draft.needs(&[&of]).for_each(text.into(), limit, fail_fast)
}

/// A condition on a step's result, in the forms that the judge of the simulation knows.
fn random_condition(random: &mut Random, of: &str) -> String {
    match random.below(3) {
        0 => format!("steps.{of}.status == 'succeeded'"),
        1 => format!("steps.{of}.status != 'succeeded'"),
        _ => format!("steps.{of}.outputs.out >= 5"),
    }
}

fn with_retry(random: &mut Random, draft: Draft) -> Draft {
    let classes = [
        FailureClass::IoError,
        FailureClass::Timeout,
        FailureClass::WorkerLost,
        FailureClass::ExitCode,
    ];
    let policy = RetryPolicy {
        max_attempts: 1 + random.below(4) as u32,
        backoff: *random.pick(&[Backoff::Constant, Backoff::Linear, Backoff::Exponential]),
        delay: Millis(random.below(3000) as u64),
        factor: 2.0,
        max_delay: Millis(5000),
        jitter: *random.pick(&[0.0, 0.2, 1.0]),
        when: classes.into_iter().filter(|_| random.percent(60)).collect(),
    };
    draft.with(|instance| instance.retry = policy)
}
