//! Cron expressions: form, and whether any date fits.
//!
//! Why: a schedule that never fires looks like one that simply has not yet.
//!
//! ```yaml
//! nightly: {type: schedule, cron: "0 25 * * *"}    # S01/wrong-format: hours end at 23
//! monthly: {type: schedule, cron: "0 2 30 2 *"}    # S05/cron-never-fires
//! ```

use super::{Scene, found};
use crate::pipeline::spec::Trigger;
use trainyard_contract::Path;

/// Name, least and greatest value of each field.
const FIELDS: [(&str, u32, u32); 5] = [
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 7),
];
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

pub(super) fn run(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    for (name, trigger) in &draft.spec.triggers {
        let Trigger::Schedule { cron, .. } = trigger else {
            continue;
        };
        let span = draft.span(scene.sources, &Path::root().key("triggers").key(name).key("cron"));
        match parse(cron) {
            Err(fault) => scene.add(
                found(
                    "S01/wrong-format",
                    span,
                    format!("`{cron}` is not a cron expression: {fault}"),
                )
                .label("not a cron expression")
                .help("five fields: minute, hour, day of month, month, day of week, e.g. `30 2 * * *`"),
            ),
            Ok(fields) if !fires(&fields) => scene.add(
                found(
                    "S05/cron-never-fires",
                    span,
                    format!("`{cron}` names no date that exists"),
                )
                .label("never fires")
                .help("these months do not have these days"),
            ),
            Ok(_) => {}
        }
    }
}

/// Values of each field; `None` for `*`.
type Fields = [Option<Vec<u32>>; 5];

fn parse(text: &str) -> Result<Fields, String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    if parts.len() != 5 {
        return Err(format!("it has {} fields, not 5", parts.len()));
    }
    let mut fields: Fields = Default::default();
    for ((part, (name, least, most)), field) in parts.iter().zip(FIELDS).zip(&mut fields) {
        *field = values(part, name, least, most)?;
    }
    Ok(fields)
}

fn values(part: &str, name: &str, least: u32, most: u32) -> Result<Option<Vec<u32>>, String> {
    if part == "*" {
        return Ok(None);
    }
    let number = |text: &str| -> Result<u32, String> {
        let lower = text.to_ascii_lowercase();
        let named = match name {
            "month" => MONTHS.iter().position(|month| *month == lower).map(|at| at + 1),
            "day of week" => DAYS.iter().position(|day| *day == lower),
            _ => None,
        };
        let value = match named {
            Some(value) => u32::try_from(value).unwrap_or(0),
            None => text.parse().map_err(|_| format!("`{text}` is no {name}"))?,
        };
        if (least..=most).contains(&value) {
            Ok(value)
        } else {
            Err(format!("{name} goes from {least} to {most}, not {value}"))
        }
    };
    let mut found = Vec::new();
    for item in part.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => {
                let step: u32 = step
                    .parse()
                    .ok()
                    .filter(|step| *step > 0)
                    .ok_or(format!("`/{step}` is no step"))?;
                (range, Some(step))
            }
            None => (item, None),
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (least, most),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            (one, None) => {
                let one = number(one)?;
                (one, if step.is_some() { most } else { one })
            }
        };
        if from > to {
            return Err(format!("{name} {from}-{to} goes backwards"));
        }
        found.extend((from..=to).step_by(step.unwrap_or(1) as usize));
    }
    Ok(Some(found))
}

/// Whether some day of some year fits. Where both kinds of days are given either is enough, as in
/// every cron.
fn fires(fields: &Fields) -> bool {
    let [_, _, days, months, weekdays] = fields;
    let Some(days) = days else { return true };
    if weekdays.is_some() {
        return true;
    }
    let length = |month: u32| match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let longest = months.as_ref().map_or(31, |months| {
        months.iter().map(|month| length(*month)).max().unwrap_or(0)
    });
    days.iter().any(|day| *day <= longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fields_with_lists_ranges_steps_and_names_are_read() {
        for good in [
            "30 2 * * *",
            "*/15 0-6,22 1,15 jan-mar mon",
            "0 0 * * 7",
            "5/10 * * * *",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "0 25 * * *",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "0 0 0 * *",
            "a * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "@daily",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_that_no_named_month_has_never_comes() {
        let fires = |text: &str| fires(&parse(text).unwrap());
        assert!(!fires("0 2 30 2 *"));
        assert!(!fires("0 2 31 4,6,9,11 *"));
        assert!(fires("0 2 29 2 *"));
        assert!(fires("0 2 31 4,5 *"));
        assert!(fires("0 2 30 2 mon"), "a Monday in February is enough");
    }
}
