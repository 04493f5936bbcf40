//! A trigger in a few words, for lists.

use crate::pipeline::spec::Trigger;
use crate::pipeline::spec::trigger::{
    BusinessDay, BusinessDayWord, Match, MonthName, RunOutcome, Schedule, TimesOfDay, WorkCalendar,
};

/// When or by what it starts a run: `30 2 * * *, Europe/Zurich`, `flights_raw and weather_raw, 10m quiet`.
pub fn describe(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Schedule(schedule) => of_schedule(schedule),
        Trigger::Data(data) => {
            let joint = match data.matching {
                Match::All => " and ",
                Match::Any => " or ",
            };
            let mut text = data.datasets.join(joint);
            if let Some(debounce) = data.debounce {
                text.push_str(&format!(", {} quiet", debounce.0));
            }
            text
        }
        Trigger::Alert(alert) => {
            let mut text = alert.alerts.join(" or ");
            if let Some(cooldown) = alert.cooldown {
                text.push_str(&format!(", {} apart", cooldown.0));
            }
            if let Some(limit) = &alert.max_runs {
                text.push_str(&format!(", at most {} in {}", limit.limit, limit.per.0));
            }
            text
        }
        Trigger::Webhook(webhook) => {
            let auth = if webhook.auth.is_some() { "signed" } else { "open" };
            format!("POST {}, {auth}", webhook.path)
        }
        Trigger::Pipeline(pipeline) => {
            let subject = match &pipeline.step {
                Some(step) => format!("{}.{step}", pipeline.pipeline),
                None => pipeline.pipeline.clone(),
            };
            let outcome = match pipeline.outcome {
                RunOutcome::Succeeded => "succeeded",
                RunOutcome::Failed => "failed",
                RunOutcome::Ended => "ended",
            };
            match &pipeline.environment {
                Some(environment) => format!("{subject} {outcome} in {environment}"),
                None => format!("{subject} {outcome}"),
            }
        }
        Trigger::Manual(manual) if manual.roles.is_empty() => "by hand".to_owned(),
        Trigger::Manual(manual) => format!("by hand, {}", manual.roles.join(" or ")),
    }
}

fn of_schedule(schedule: &Schedule) -> String {
    let zone = schedule.timezone.as_deref().unwrap_or("UTC");
    match (&schedule.cron, schedule.every, &schedule.calendar) {
        (Some(cron), ..) => format!("{cron}, {zone}"),
        (_, Some(every), _) => match &schedule.anchor {
            Some(anchor) => format!("every {} from {}, {zone}", every.0, anchor.0),
            None => format!("every {}", every.0),
        },
        (_, _, Some(calendar)) => format!("{}, {zone}", of_calendar(calendar)),
        (None, None, None) => String::new(),
    }
}

fn of_calendar(calendar: &WorkCalendar) -> String {
    let day = match calendar.business_day {
        BusinessDay::Word(BusinessDayWord::Every) => "every business day".to_owned(),
        BusinessDay::Word(BusinessDayWord::First) | BusinessDay::Nth(1) => "first business day".to_owned(),
        BusinessDay::Word(BusinessDayWord::Last) | BusinessDay::Nth(-1) => "last business day".to_owned(),
        BusinessDay::Nth(nth) if nth < 0 => {
            format!("{} business day from the end", ordinal(nth.unsigned_abs()))
        }
        BusinessDay::Nth(nth) => format!("{} business day", ordinal(nth.unsigned_abs())),
    };
    let months = match &calendar.months {
        None => String::new(),
        Some(months) => {
            let names: Vec<&str> = months.iter().map(|month| name(*month)).collect();
            format!(" of {}", names.join(", "))
        }
    };
    let times: Vec<&str> = calendar.at.iter().flat_map(TimesOfDay::iter).collect();
    let times = if times.is_empty() {
        "00:00".to_owned()
    } else {
        times.join(" and ")
    };
    format!("{day}{months} at {times}")
}

fn ordinal(nth: u8) -> String {
    let ending = match (nth % 10, nth) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{nth}{ending}")
}

fn name(month: MonthName) -> &'static str {
    const NAMES: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    NAMES[month as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_kind_is_told_in_a_few_words() {
        for (of, told) in [
            (
                json!({"type": "schedule", "cron": "30 2 * * *", "timezone": "Europe/Zurich"}),
                "30 2 * * *, Europe/Zurich",
            ),
            (json!({"type": "schedule", "every": "15m"}), "every 15m"),
            (
                json!({"type": "schedule", "every": "8h", "anchor": "2026-01-01T06:00"}),
                "every 8h from 2026-01-01T06:00, UTC",
            ),
            (
                json!({"type": "schedule", "calendar": {"business_day": -2, "at": ["06:00", "18:00"], "months": ["mar", "dec"]}}),
                "2nd business day from the end of Mar, Dec at 06:00 and 18:00, UTC",
            ),
            (
                json!({"type": "schedule", "calendar": {"business_day": "last"}}),
                "last business day at 00:00, UTC",
            ),
            (
                json!({"type": "schedule", "calendar": {"business_day": 12}}),
                "12th business day at 00:00, UTC",
            ),
            (
                json!({"type": "data", "datasets": ["a", "b"], "match": "any", "debounce": "10m"}),
                "a or b, 10m quiet",
            ),
            (
                json!({"type": "alert", "alerts": ["drift"], "cooldown": "24h", "max_runs": {"limit": 2, "per": "7d"}}),
                "drift, 1d apart, at most 2 in 7d",
            ),
            (
                json!({"type": "webhook", "path": "/hooks/x"}),
                "POST /hooks/x, open",
            ),
            (
                json!({"type": "pipeline", "pipeline": "features", "step": "build", "outcome": "ended", "environment": "prod"}),
                "features.build ended in prod",
            ),
            (json!({"type": "manual"}), "by hand"),
            (json!({"type": "manual", "roles": ["admin"]}), "by hand, admin"),
        ] {
            let trigger: Trigger = serde_json::from_value(of).unwrap();
            assert_eq!(describe(&trigger), told);
        }
    }
}
