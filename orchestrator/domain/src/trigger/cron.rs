//! Cron expressions: five fields as text, and the days and times of day that they mean.
//!
//! Knows nothing of time zones; [`super::schedule`] maps local times to instants.

mod days;
mod field;

pub(super) use days::CronDays;

use field::{DAY, HOUR, MINUTE, MONTH, WEEKDAY};
use std::str::FromStr;

/// A cron expression of five fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    pub(super) days: CronDays,
    /// Minutes of the day, ascending.
    pub(super) minutes: Vec<u16>,
    /// Whether minute or hour begins with `*`: an interval is meant, not times of day.
    pub(super) beats: bool,
}

/// Why a text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronFault {
    /// A clause that goes on after "is not a cron expression: ".
    pub message: String,
    pub help: Option<String>,
    /// A text to put in its place.
    pub fix: Option<String>,
}

impl CronFault {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            fix: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn fix(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        self.help = Some(format!("write `{text}`"));
        self.fix = Some(text);
        self
    }
}

/// What words starting with `@` stand for.
const WORDS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

const FORM: &str = "five fields: minute, hour, day of month, month, day of week, e.g. `30 2 * * *`";

/// Longer texts are no expressions of people.
const LONGEST: usize = 1_000;

impl FromStr for Cron {
    type Err = CronFault;

    fn from_str(text: &str) -> Result<Self, CronFault> {
        if text.len() > LONGEST {
            return Err(CronFault::new(format!("it is longer than {LONGEST} bytes")));
        }
        let text = text.trim();
        let expanded = if text.starts_with('@') { word(text)? } else { text };
        let parts: Vec<&str> = expanded.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts.as_slice() else {
            return Err(count_fault(&parts));
        };
        let named = |fault: CronFault, at: usize| in_whole(fault, &parts, at);
        let minutes = field::plain(minute, MINUTE).map_err(|fault| named(fault, 0))?;
        let hours = field::plain(hour, HOUR).map_err(|fault| named(fault, 1))?;
        let day = days::day_field(day, DAY).map_err(|fault| named(fault, 2))?;
        let months = field::plain(month, MONTH).map_err(|fault| named(fault, 3))?;
        let weekday = days::weekday_field(weekday, WEEKDAY).map_err(|fault| named(fault, 4))?;
        let of_day = (0..24u16)
            .filter(|hour| hours.has(*hour))
            .flat_map(|hour| {
                (0..60u16)
                    .filter(|minute| minutes.has(*minute))
                    .map(move |minute| hour * 60 + minute)
            })
            .collect();
        Ok(Self {
            days: CronDays::new(day, months, weekday),
            minutes: of_day,
            beats: minutes.is_wild || hours.is_wild,
        })
    }
}

fn word(text: &str) -> Result<&'static str, CronFault> {
    let lower = text.to_ascii_lowercase();
    if let Some((_, fields)) = WORDS.iter().find(|(word, _)| *word == lower) {
        return Ok(fields);
    }
    if lower == "@reboot" {
        return Err(CronFault::new("a pipeline does not start with a machine")
            .help("name a time, or start it from outside by a `webhook` trigger"));
    }
    if let Some(span) = lower.strip_prefix("@every") {
        return Err(CronFault::new("intervals have a key of their own")
            .help(format!("write `every: {}`", span.trim())));
    }
    let fault = CronFault::new(format!("there is no word `{text}`"));
    match trainyard_contract::finding::nearest(&lower, WORDS.iter().map(|(word, _)| *word)) {
        Some(near) => Err(fault.fix(near)),
        None => Err(fault.help("words are `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly`")),
    }
}

/// Six fields have seconds in front, as in Quartz, or a year behind.
fn count_fault(parts: &[&str]) -> CronFault {
    let fault = CronFault::new(match parts.len() {
        1 => "it has 1 field, not 5".to_owned(),
        count => format!("it has {count} fields, not 5"),
    });
    let starts_with_seconds = matches!(parts.first(), Some(&("0" | "00")));
    match parts.len() {
        6 if starts_with_seconds => fault.fix(parts[1..].join(" ")),
        7 if starts_with_seconds && matches!(parts[6], "*" | "?") => fault.fix(parts[1..6].join(" ")),
        6 => fault.help(format!(
            "there are no seconds: {FORM}; shorter than a minute is `every: 30s`"
        )),
        _ => fault.help(FORM),
    }
}

/// A fault of one field, its fix put into the whole.
fn in_whole(mut fault: CronFault, parts: &[&str], at: usize) -> CronFault {
    match fault.fix.take() {
        Some(field) => {
            let mut whole: Vec<&str> = parts.to_vec();
            if let Some(place) = whole.get_mut(at) {
                *place = &field;
            }
            fault.fix(whole.join(" "))
        }
        None if fault.help.is_none() => fault.help(FORM),
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{Date, date};

    fn cron(text: &str) -> Cron {
        text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    /// The first days on which it fires, from a date on.
    fn days(text: &str, from: Date, count: usize) -> Vec<String> {
        let cron = cron(text);
        let mut found = Vec::new();
        let mut next = Some(from);
        while found.len() < count
            && let Some(day) = next.and_then(|day| super::super::wall::next_day(&cron.days, day))
        {
            found.push(day.to_string());
            next = day.tomorrow().ok();
        }
        found
    }

    #[test]
    fn five_fields_with_lists_ranges_steps_and_names_are_read() {
        for good in [
            "30 2 * * *",
            "*/15 0-6,22 1,15 jan-mar mon",
            "0 0 * * 7",
            "5/10 * * * *",
            "0 9 ? * MON-FRI",
            "  0   9 * * *  ",
            "@daily",
            "@Weekly",
            "0 0 L * *",
            "0 0 L-2,15 * *",
            "0 0 LW * *",
            "0 0 15W * *",
            "0 0 * * 5L",
            "0 0 * * fri#2",
            "0 0 * * sat-sun",
        ] {
            assert!(good.parse::<Cron>().is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        for (bad, message, fix) in [
            ("0 25 * * *", "hour goes from 0 to 23, not 25", None),
            ("0 24 * * *", "hour goes from 0 to 23, not 24", Some("0 0 * * *")),
            ("* * * *", "it has 4 fields, not 5", None),
            ("0 30 2 * * *", "it has 6 fields, not 5", Some("30 2 * * *")),
            ("0 30 2 * * * *", "it has 7 fields, not 5", Some("30 2 * * *")),
            ("*/10 * * * * *", "it has 6 fields, not 5", None),
            (
                "60 * * * *",
                "minute goes from 0 to 59, not 60",
                Some("0 * * * *"),
            ),
            ("0 0 0 * *", "day of month goes from 1 to 31, not 0", None),
            ("a * * * *", "`a` is no minute", None),
            (
                "0 22-2 * * *",
                "hour 22-2 goes backwards",
                Some("0 22-23,0-2 * * *"),
            ),
            (
                "0 0 * nov-feb *",
                "month nov-feb goes backwards",
                Some("0 0 * nov-12,1-feb *"),
            ),
            ("*/0 * * * *", "`/0` is no step", None),
            (
                "*/90 * * * *",
                "a step of 90 is longer than the field minute",
                None,
            ),
            ("1,,2 * * * *", "minute has an empty item", None),
            ("0 0 * * L", "`L` does not say which day", None),
            ("0 0 * * mon#6", "a month has no 6th mon", None),
            ("0 0 32W * *", "day of month goes from 1 to 31, not 32", None),
            ("0 0 * * mn", "`mn` is no day of week", Some("0 0 * * mon")),
            (
                "0 0 * * monday",
                "`monday` is no day of week",
                Some("0 0 * * mon"),
            ),
            ("@dayly", "there is no word `@dayly`", Some("@daily")),
            ("@reboot", "a pipeline does not start with a machine", None),
            ("@every 5m", "intervals have a key of their own", None),
            ("", "it has 0 fields, not 5", None),
            (
                "99999999999999999999 * * * *",
                "`99999999999999999999` is no minute",
                None,
            ),
        ] {
            let fault = bad.parse::<Cron>().unwrap_err();
            assert_eq!(
                (fault.message.as_str(), fault.fix.as_deref()),
                (message, fix),
                "{bad}"
            );
            assert!(fault.help.is_some(), "{bad}");
            if let Some(fix) = fix {
                assert!(fix.parse::<Cron>().is_ok(), "{fix}");
            }
        }
        assert!("*,".repeat(10_000).parse::<Cron>().is_err());
    }

    #[test]
    fn both_kinds_of_days_mean_either_unless_one_begins_with_a_star() {
        let from = date(2026, 11, 1);
        // Friday the 13th is both, the 6th only a Friday.
        assert_eq!(
            days("0 0 13 * fri", from, 3),
            ["2026-11-06", "2026-11-13", "2026-11-20"]
        );
        assert_eq!(days("0 0 14 * fri", from, 3)[1..], ["2026-11-13", "2026-11-14"]);
        // As in Vixie cron: `*/2` begins with a star, so both have to fit.
        assert_eq!(days("0 0 */2 * fri", from, 2), ["2026-11-13", "2026-11-27"]);
        assert_eq!(days("0 0 13 * ?", from, 2), ["2026-11-13", "2026-12-13"]);
    }

    #[test]
    fn last_days_nearest_weekdays_and_nth_weekdays_are_as_in_quartz() {
        let from = date(2026, 1, 1);
        assert_eq!(
            days("0 0 L * *", from, 3),
            ["2026-01-31", "2026-02-28", "2026-03-31"]
        );
        assert_eq!(days("0 0 L-30 * *", from, 2), ["2026-01-01", "2026-03-01"]);
        // The 31st of January and the 28th of February 2026 are Saturdays.
        assert_eq!(
            days("0 0 LW * *", from, 3),
            ["2026-01-30", "2026-02-27", "2026-03-31"]
        );
        // A Saturday the 1st goes forward, a Sunday the 31st back: never into another month.
        assert_eq!(days("0 0 1W 8 *", from, 1), ["2026-08-03"]);
        assert_eq!(days("0 0 31W 5 *", from, 1), ["2026-05-29"]);
        assert_eq!(days("0 0 15W 2,3 *", from, 2), ["2026-02-16", "2026-03-16"]);
        assert_eq!(days("0 0 14W 2 *", from, 1), ["2026-02-13"]);
        assert_eq!(days("0 0 * * friL", from, 2), ["2026-01-30", "2026-02-27"]);
        assert_eq!(days("0 0 * * 0#1,7#3", from, 2), ["2026-01-04", "2026-01-18"]);
        assert_eq!(days("0 0 * * fri#5", from, 2), ["2026-01-30", "2026-05-29"]);
        assert_eq!(
            days("0 0 * * sat-sun", from, 3),
            ["2026-01-03", "2026-01-04", "2026-01-10"]
        );
        assert_eq!(
            days("0 0 * * 5-7", from, 3),
            ["2026-01-02", "2026-01-03", "2026-01-04"]
        );
    }

    #[test]
    fn days_that_never_come_are_known_in_bounded_time() {
        let never = |text: &str| days(text, date(2026, 1, 1), 1).is_empty();
        assert!(never("0 2 30 2 *"));
        assert!(never("0 2 31 4,6,9,11 *"));
        assert!(never("0 2 31W 4 *"));
        assert!(never("0 2 */30 2 5#5"), "the 1st is never a fifth Friday");
        assert!(!never("0 2 29 2 *"));
        assert!(!never("0 2 31 4,5 *"));
        assert!(!never("0 2 30 2 mon"), "a Monday in February is enough");
        // A leap day that is a Sunday: 2032, then 2060.
        assert_eq!(
            days("0 2 29 2 */7", date(2026, 1, 1), 2),
            ["2032-02-29", "2060-02-29"]
        );
        assert!(
            days("0 2 29 2 *", date(9996, 3, 1), 1).is_empty(),
            "the end of time"
        );
    }
}
