//! One field of a cron expression: lists of values, ranges and steps.

use super::CronFault;
use trainyard_contract::finding::nearest;

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    name: &'static str,
    least: u16,
    most: u16,
    /// Words for values, the first for `least`.
    words: &'static [&'static str],
}

pub(super) const MINUTE: Field = Field::new("minute", 0, 59, &[]);
pub(super) const HOUR: Field = Field::new("hour", 0, 23, &[]);
pub(super) const DAY: Field = Field::new("day of month", 1, 31, &[]);
pub(super) const MONTH: Field = Field::new(
    "month",
    1,
    12,
    &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
);
/// 7 is Sunday as 0 is.
pub(super) const WEEKDAY: Field = Field::new(
    "day of week",
    0,
    7,
    &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
);

impl Field {
    const fn new(name: &'static str, least: u16, most: u16, words: &'static [&'static str]) -> Self {
        Self {
            name,
            least,
            most,
            words,
        }
    }

    /// A number or a word.
    pub(super) fn value(self, text: &str) -> Result<u16, CronFault> {
        let lower = text.to_ascii_lowercase();
        if let Some(at) = self.words.iter().position(|word| *word == lower) {
            return Ok(self.least + u16::try_from(at).unwrap_or(0));
        }
        let Ok(value) = text.parse::<u32>() else {
            let fault = CronFault::new(format!("`{text}` is no {}", self.name));
            let whole = self.words.iter().find(|word| lower.starts_with(**word)).copied();
            return Err(
                match whole.or_else(|| nearest(&lower, self.words.iter().copied())) {
                    Some(near) => fault.fix(near),
                    None => fault,
                },
            );
        };
        match u16::try_from(value) {
            Ok(value) if (self.least..=self.most).contains(&value) => Ok(value),
            _ => {
                let fault = CronFault::new(format!(
                    "{} goes from {} to {}, not {value}",
                    self.name, self.least, self.most
                ));
                // One past the end of a circle is its beginning.
                Err(match self.least {
                    0 if value == u32::from(self.most) + 1 && self.words.is_empty() => fault.fix("0"),
                    _ => fault,
                })
            }
        }
    }
}

/// Values of a field that has nothing but lists, ranges and steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Values {
    set: u64,
    /// Begins with `*` or goes through the whole field.
    pub(super) is_wild: bool,
}

impl Values {
    pub(super) fn has(self, value: u16) -> bool {
        value < 64 && self.set >> value & 1 == 1
    }
}

/// Reads a field that knows no `L`, `W` and `#`.
pub(super) fn plain(text: &str, field: Field) -> Result<Values, CronFault> {
    let mut set = 0;
    let mut whole = text.starts_with('*');
    for item in items(text, field)? {
        let range = range(item, field)
            // The fix is for the item; put it where it stood.
            .map_err(|fault| in_list(fault, text, item))?;
        whole |= range.through;
        set |= range.set;
    }
    Ok(Values { set, is_wild: whole })
}

/// The items of a list.
pub(super) fn items(text: &str, field: Field) -> Result<Vec<&str>, CronFault> {
    let items: Vec<&str> = text.split(',').collect();
    if items.iter().any(|item| item.is_empty()) {
        return Err(CronFault::new(format!("{} has an empty item", field.name)));
    }
    Ok(items)
}

pub(super) fn in_list(mut fault: CronFault, text: &str, item: &str) -> CronFault {
    match fault.fix.take() {
        Some(fix) => {
            let all: Vec<&str> = text
                .split(',')
                .map(|other| if other == item { fix.as_str() } else { other })
                .collect();
            fault.fix(all.join(","))
        }
        None => fault,
    }
}

/// One item: `*`, a value, a range, each perhaps with a step.
pub(super) struct Range {
    pub(super) set: u64,
    /// From the least to the greatest value, perhaps in steps.
    pub(super) through: bool,
}

pub(super) fn range(item: &str, field: Field) -> Result<Range, CronFault> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => {
            let step: u16 = step
                .parse()
                .ok()
                .filter(|step| *step > 0)
                .ok_or_else(|| CronFault::new(format!("`/{step}` is no step")))?;
            (range, Some(step))
        }
        None => (item, None),
    };
    let bounds = match (range, range.split_once('-')) {
        ("*" | "?", _) => (field.least, field.most),
        (_, Some((from, to))) => {
            let first = field
                .value(from)
                .map_err(|fault| around(fault, "", &format!("-{to}")))?;
            let mut last = field
                .value(to)
                .map_err(|fault| around(fault, &format!("{from}-"), ""))?;
            // `sat-sun`: the week ends with its second Sunday.
            if field.most == 7 && last == 0 && first > 0 {
                last = 7;
            }
            if first > last {
                let (least, most) = (field.least, if field.most == 7 { 6 } else { field.most });
                let step = step.map(|step| format!("/{step}")).unwrap_or_default();
                let fault = CronFault::new(format!("{} {from}-{to} goes backwards", field.name));
                return Err(if step.is_empty() {
                    fault.fix(format!("{from}-{most},{least}-{to}"))
                } else {
                    fault.help("write two ranges, the second from the field's beginning")
                });
            }
            (first, last)
        }
        (one, None) => {
            let one = field.value(one)?;
            (one, if step.is_some() { field.most } else { one })
        }
    };
    let span = field.most - field.least;
    if let Some(step) = step
        && step > span
        && bounds.1 > bounds.0
    {
        return Err(CronFault::new(format!(
            "a step of {step} is longer than the field {}",
            field.name
        ))
        .help(match field.name {
            "minute" => format!("for each {step} minutes write `every: {step}m` instead of `cron`"),
            "hour" => format!("for each {step} hours write `every: {step}h` instead of `cron`"),
            _ => "steps begin anew with each field".to_owned(),
        }));
    }
    let mut set = 0;
    for value in (bounds.0..=bounds.1).step_by(usize::from(step.unwrap_or(1))) {
        set |= 1u64 << value;
    }
    Ok(Range {
        set,
        through: bounds.0 == field.least && bounds.1 == field.most,
    })
}

fn around(mut fault: CronFault, before: &str, after: &str) -> CronFault {
    match fault.fix.take() {
        Some(fix) => fault.fix(format!("{before}{fix}{after}")),
        None => fault,
    }
}
