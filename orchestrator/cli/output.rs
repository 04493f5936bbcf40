//! What is printed: results on standard output, everything else on standard error, in the look of
//! cargo; plain when it is not a terminal.

use crate::args::{ColorWhen, Common, Format};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    /// The pipeline, a check or a gate said no.
    Refused,
    /// Usage or fault.
    Fault,
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Fault => 2,
            Exit::Interrupted => 130,
        })
    }
}

/// A fault that ends a command: what was attempted, why it failed, what to do.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) help: Option<String>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            causes: Vec::new(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What was being done when `error` came up.
    pub(crate) fn while_doing(doing: impl Into<String>, error: &dyn std::error::Error) -> Self {
        Self {
            message: doing.into(),
            causes: trainyard_contract::task::chain(error),
            help: None,
        }
    }
}

impl<E: std::error::Error> From<E> for Fault {
    fn from(error: E) -> Self {
        let mut chain = trainyard_contract::task::chain(&error);
        let message = chain.remove(0);
        Self {
            message,
            causes: chain,
            help: None,
        }
    }
}

/// Colours of the cargo family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Busy,
    Warn,
    Bad,
    Quiet,
    Strong,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "1;32",
            Self::Busy => "1;36",
            Self::Warn => "1;33",
            Self::Bad => "1;31",
            Self::Quiet => "2",
            Self::Strong => "1",
        }
    }
}

/// Where and how a command prints.
#[derive(Debug)]
pub(crate) struct Terminal {
    format: Format,
    color_out: bool,
    color_err: bool,
    interactive: bool,
    verbose: u8,
}

impl Terminal {
    pub(crate) fn new(common: &Common) -> Self {
        let asked = match common.color {
            ColorWhen::Always => Some(true),
            ColorWhen::Never => Some(false),
            ColorWhen::Auto if std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) => Some(false),
            ColorWhen::Auto => None,
        };
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            format: if common.json { Format::Json } else { common.format },
            color_out: asked.unwrap_or_else(|| io::stdout().is_terminal() && !dumb),
            color_err: asked.unwrap_or_else(|| io::stderr().is_terminal() && !dumb),
            interactive: io::stderr().is_terminal() && !dumb,
            verbose: common.verbose,
        }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether lines may be redrawn.
    pub(crate) fn is_interactive(&self) -> bool {
        self.interactive
    }

    pub(crate) fn colors_out(&self) -> bool {
        self.color_out
    }

    pub(crate) fn colors_err(&self) -> bool {
        self.color_err
    }

    pub(crate) fn verbose(&self) -> u8 {
        self.verbose
    }

    /// A text for standard output in a tone.
    pub(crate) fn paint(&self, tone: Tone, text: impl Display) -> String {
        paint(self.color_out, tone, text)
    }

    /// A text for standard error in a tone.
    pub(crate) fn paint_err(&self, tone: Tone, text: impl Display) -> String {
        paint(self.color_err, tone, text)
    }

    /// A line of results.
    pub(crate) fn out(&mut self, line: impl Display) {
        // A reader that closed the pipe (`| head`) has what it wanted.
        let _ = writeln!(io::stdout(), "{line}");
    }

    /// One JSON document on one line.
    pub(crate) fn out_json(&mut self, value: &serde_json::Value) {
        self.out(value);
    }

    /// A line about what is going on: a right-aligned verb and the rest, as cargo does.
    pub(crate) fn status(&mut self, tone: Tone, verb: &str, rest: impl Display) {
        let _ = writeln!(io::stderr(), "{} {rest}", self.verb(tone, verb));
    }

    /// The verb of a status line, aligned and painted.
    pub(crate) fn verb(&self, tone: Tone, verb: &str) -> String {
        self.paint_err(tone, format!("{verb:>12}"))
    }

    /// A line on standard error.
    pub(crate) fn note(&mut self, line: impl Display) {
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Why a command could not be carried out.
    pub(crate) fn fault(&mut self, fault: &Fault) {
        if self.is_json() {
            let document = serde_json::json!({
                "error": { "message": fault.message, "causes": fault.causes, "help": fault.help }
            });
            self.out_json(&document);
        }
        let head = self.paint_err(Tone::Bad, "error");
        self.note(format!("{head}: {}", fault.message));
        for cause in &fault.causes {
            self.note(format!("  caused by: {cause}"));
        }
        if let Some(help) = &fault.help {
            let head = self.paint_err(Tone::Busy, "help");
            self.note(format!("  {head}: {help}"));
        }
    }

    /// Rows under headings, columns aligned; `right` lists the columns aligned to the right.
    pub(crate) fn table(&mut self, heads: &[&str], right: &[usize], rows: &[Vec<String>]) {
        let mut widths: Vec<usize> = heads.iter().map(|head| head.chars().count()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(visible_width(cell));
            }
        }
        let line = |cells: &mut dyn Iterator<Item = String>| {
            let mut text = String::new();
            for (at, cell) in cells.enumerate() {
                let pad = " ".repeat(
                    widths
                        .get(at)
                        .copied()
                        .unwrap_or(0)
                        .saturating_sub(visible_width(&cell)),
                );
                if at > 0 {
                    text.push_str("  ");
                }
                if right.contains(&at) {
                    text.push_str(&pad);
                    text.push_str(&cell);
                } else {
                    text.push_str(&cell);
                    text.push_str(&pad);
                }
            }
            text.trim_end().to_owned()
        };
        let head = line(&mut heads.iter().map(|head| (*head).to_owned()));
        let head = self.paint(Tone::Strong, head);
        self.out(head);
        for row in rows {
            let text = line(&mut row.iter().cloned());
            self.out(text);
        }
    }
}

fn paint(color: bool, tone: Tone, text: impl Display) -> String {
    if color {
        format!("\x1b[{}m{text}\x1b[0m", tone.code())
    } else {
        text.to_string()
    }
}

/// Characters seen: escape sequences take no room.
fn visible_width(text: &str) -> usize {
    let mut width = 0;
    let mut escaped = false;
    for c in text.chars() {
        match (escaped, c) {
            (false, '\x1b') => escaped = true,
            (true, 'm') => escaped = false,
            (false, _) => width += 1,
            (true, _) => {}
        }
    }
    width
}

/// A span of time for people: `0.4 s`, `12 s`, `6 m 10 s`, `2 h 5 m`.
pub(crate) fn human_time(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, millis % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} m {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A size for people: `812 B`, `4.8 MiB`.
pub(crate) fn human_bytes(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{size:.1} {unit}")
    }
}

/// An instant in the local time zone, to the second.
pub(crate) fn human_instant(at: trainyard_contract::Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(
        |_| "?".to_owned(),
        |instant| {
            instant
                .to_zoned(jiff::tz::TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_as_people_say_them() {
        assert_eq!(human_time(430), "0.4 s");
        assert_eq!(human_time(12_900), "12 s");
        assert_eq!(human_time(370_000), "6 m 10 s");
        assert_eq!(human_time(7_500_000), "2 h 5 m");
        assert_eq!(human_bytes(812), "812 B");
        assert_eq!(human_bytes(5_068_945), "4.8 MiB");
    }

    #[test]
    fn escape_sequences_take_no_room_in_a_table() {
        assert_eq!(visible_width("\x1b[1;32mok\x1b[0m"), 2);
    }
}
