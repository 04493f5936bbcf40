//! What a change of clocks does to a schedule, in words.

use super::{Change, Gap, Occurrence, Overlap, Schedule};
use jiff::civil::DateTime;

impl Schedule {
    /// Why an occurrence is not as on other days; `None` if it is.
    pub fn reason(&self, occurrence: &Occurrence) -> Option<String> {
        Some(match occurrence.change.as_ref()? {
            Change::Gap {
                from,
                to,
                missing,
                with_regular,
            } => self.of_gap(*from, *to, *missing, *with_regular),
            Change::First { beats, .. } => {
                let time = time(occurrence.local);
                match (beats, self.overlap) {
                    (true, _) => format!("clocks go back, {time} comes twice: the interval goes on"),
                    (false, Overlap::RunOnce) => {
                        format!("clocks go back, {time} comes twice: runs the first time (overlap: run_once)")
                    }
                    (false, Overlap::RunTwice) => {
                        format!("clocks go back, {time} comes twice: runs both times (overlap: run_twice)")
                    }
                }
            }
            Change::Second { beats, .. } => {
                let time = time(occurrence.local);
                match (beats, self.overlap) {
                    (true, _) => format!("{time} for the second time: the interval goes on"),
                    (false, Overlap::RunOnce) => {
                        format!("{time} for the second time: ran at the first (overlap: run_once)")
                    }
                    (false, Overlap::RunTwice) => {
                        format!("{time} for the second time: runs again (overlap: run_twice)")
                    }
                }
            }
        })
    }

    fn of_gap(
        &self,
        from: DateTime,
        to: DateTime,
        missing: Option<(u32, DateTime, DateTime)>,
        with_regular: bool,
    ) -> String {
        let same_day = from.date() == to.date();
        let show = |at: DateTime| if same_day { time(at) } else { day_and_time(at) };
        let jump = format!("clocks go from {} to {}", show(from), show(to));
        let Some((count, first, last)) = missing else {
            return format!("{jump}: the interval goes on, nothing is missing");
        };
        let what = if count == 1 {
            format!("{jump}, {} does not exist", show(first))
        } else {
            format!(
                "{jump}, {count} times from {} to {} do not exist",
                show(first),
                show(last)
            )
        };
        match (self.gap, with_regular) {
            (Gap::Skip, _) => format!("{what}: no run (gap: skip)"),
            (Gap::RunAfter, true) => {
                format!("{what}: the run of {} stands for it (gap: run_after)", time(to))
            }
            (Gap::RunAfter, false) => format!("{what}: runs right after (gap: run_after)"),
        }
    }
}

fn time(at: DateTime) -> String {
    at.strftime("%H:%M").to_string()
}

fn day_and_time(at: DateTime) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}
