//! Decisions about single signals: alerts, requests, ends of runs, wishes of people. Each starts a
//! run at once or never.

use super::decide::{Decision, Draft, News, Outcome, RunEnded, Trigger};
use super::firing::{Because, text};
use super::pace::Pace;
use super::state::EndsState;
use crate::pipeline::spec::Param;
use crate::pipeline::spec::trigger::{
    AlertTrigger, ManualTrigger, PipelineTrigger, RunOutcome, WebhookTrigger,
};
use crate::pipeline::{declaration, type_of, value_fault};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use trainyard_contract::{Millis, Timestamp};

const REPLAY_WINDOW: Millis = Millis(300_000);

pub(super) fn of_alert(
    trigger: &Trigger,
    spec: &AlertTrigger,
    now: Timestamp,
    news: &News,
    decision: &mut Decision,
) {
    let News::Alerted {
        alert,
        breach,
        detail,
    } = news
    else {
        return;
    };
    if !spec.alerts.contains(alert) || !decision.state.note_breach(breach) {
        return;
    }
    let draft = Draft {
        key: breach.clone(),
        at: now,
        logical_date: None,
        interval: None,
        event: json!({ "alert": alert, "breach": breach, "detail": detail }),
        params: Some(&spec.params),
        reason: format!("alert `{alert}`"),
    };
    paced(trigger, draft, now, decision);
}

pub(super) fn of_webhook(
    trigger: &Trigger,
    spec: &WebhookTrigger,
    now: Timestamp,
    news: &News,
    decision: &mut Decision,
) {
    let News::Requested { key, sent_at, body } = news else {
        return;
    };
    let window = spec.replay_window.map_or(REPLAY_WINDOW, |window| window.0);
    if let Some(sent_at) = sent_at
        && (now.since(*sent_at) > window || sent_at.since(now) > window)
    {
        let reason = format!(
            "the request says that it was sent at {}, more than {window} from now",
            text(*sent_at)
        );
        decision.hold(now, Because::Replayed, 1, reason);
        return;
    }
    let body = match &spec.body {
        Some(declared) => checked_body(declared, body),
        None => Ok(body.clone()),
    };
    match body {
        Ok(body) => {
            let draft = Draft {
                key: key.clone(),
                at: now,
                logical_date: None,
                interval: None,
                event: json!({ "body": body }),
                params: Some(&spec.params),
                reason: format!("request {key}"),
            };
            paced(trigger, draft, now, decision);
        }
        Err(fault) => decision.hold(now, Because::Refused, 1, fault),
    }
}

/// The body with defaults filled in.
fn checked_body(declared: &IndexMap<String, Param>, body: &Value) -> Result<Value, String> {
    let mut members = match body {
        Value::Object(members) => members.clone(),
        Value::Null => Map::new(),
        _ => return Err("the body has to be a JSON object".to_owned()),
    };
    for (name, param) in declared {
        match (members.get(name), &param.default) {
            (Some(value), _) => {
                let of = type_of(param)?;
                if let Some(fault) = value_fault(param, &of, value) {
                    return Err(format!("`{name}` of the body is {}: {fault}", declaration(param)));
                }
            }
            (None, Some(default)) => {
                members.insert(name.clone(), default.clone());
            }
            (None, None) => return Err(format!("the body has no `{name}`, {}", declaration(param))),
        }
    }
    Ok(Value::Object(members))
}

pub(super) fn of_pipeline(
    trigger: &Trigger,
    spec: &PipelineTrigger,
    now: Timestamp,
    news: &News,
    decision: &mut Decision,
) {
    let kept = decision.state.ends.take();
    let ends = decision.state.ends.insert(
        kept.filter(|ends| ends.is_of(&spec.pipeline))
            .unwrap_or_else(|| EndsState::new(&spec.pipeline, now)),
    );
    let News::RunEnded(ended) = news else { return };
    if ended.pipeline != spec.pipeline || !ends.note(&ended.run, ended.ended_at) {
        return;
    }
    if spec
        .environment
        .as_ref()
        .is_some_and(|wanted| ended.environment.as_ref() != Some(wanted))
    {
        return;
    }
    let (what, outcome) = match &spec.step {
        // A step that was skipped has no outcome.
        Some(step) => match ended.steps.get(step) {
            Some(outcome) => (format!("step `{step}` of `{}`", ended.pipeline), *outcome),
            None => return,
        },
        None => (format!("pipeline `{}`", ended.pipeline), ended.outcome),
    };
    let fits = match spec.outcome {
        RunOutcome::Succeeded => outcome == Outcome::Succeeded,
        RunOutcome::Failed => outcome == Outcome::Failed,
        RunOutcome::Ended => true,
    };
    if !fits {
        return;
    }
    let draft = Draft {
        key: ended.run.clone(),
        at: now,
        logical_date: ended.logical_date.clone(),
        interval: None,
        event: of_run(ended, outcome),
        params: Some(&spec.params),
        reason: format!("{what} {} (run {})", outcome.as_str(), ended.run),
    };
    paced(trigger, draft, now, decision);
}

fn of_run(ended: &RunEnded, outcome: Outcome) -> Value {
    json!({
        "run": ended.run,
        "pipeline": ended.pipeline,
        "environment": ended.environment,
        "outcome": outcome.as_str(),
    })
}

/// A paused pipeline can be started by hand: whoever does so wants it.
pub(super) fn by_hand(
    trigger: &Trigger,
    spec: &ManualTrigger,
    now: Timestamp,
    news: &News,
    decision: &mut Decision,
) {
    let News::Asked {
        key,
        by,
        roles,
        params,
    } = news
    else {
        return;
    };
    if !spec.roles.is_empty() && !spec.roles.iter().any(|role| roles.contains(role)) {
        let reason = format!("{by} has none of the roles {}", spec.roles.join(", "));
        decision.hold(now, Because::Refused, 1, reason);
        return;
    }
    for (name, value) in params {
        let Some(param) = trigger.form().get(name) else {
            decision.hold(now, Because::Refused, 1, format!("there is no param `{name}`"));
            return;
        };
        let fault = match type_of(param) {
            Ok(of) => value_fault(param, &of, value),
            Err(fault) => Some(fault),
        };
        if let Some(fault) = fault {
            let reason = format!("the param `{name}` is {}: {fault}", declaration(param));
            decision.hold(now, Because::Refused, 1, reason);
            return;
        }
    }
    let draft = Draft {
        key: key.clone(),
        at: now,
        logical_date: None,
        interval: None,
        event: json!({ "by": by }),
        params: None,
        reason: format!("{by} asked for it"),
    };
    if trigger.fire(draft, now, decision)
        && let Some(document) = decision
            .firings
            .last_mut()
            .and_then(|firing| firing.trigger.as_object_mut())
    {
        // As given, not as written: what a person types is no expression.
        document.insert("params".to_owned(), Value::Object(params.clone()));
    }
}

/// Starts a run unless the pipeline is paused or it is too soon.
fn paced(trigger: &Trigger, draft: Draft<'_>, now: Timestamp, decision: &mut Decision) {
    if trigger.is_paused(now, 1, &draft.reason, decision) {
        return;
    }
    let pace = Pace::of(&trigger.spec).check(now, &mut decision.state.recent);
    match pace {
        Ok(()) => {
            trigger.fire(draft, now, decision);
        }
        Err(too_soon) => {
            let reason = format!("{}; {}", draft.reason, too_soon.reason);
            decision.hold(now, too_soon.because, 1, reason);
        }
    }
}
