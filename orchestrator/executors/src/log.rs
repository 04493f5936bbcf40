//! The log of one attempt: a file that exists only when there is something to say.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use trainyard_contract::{ByteSize, Failure, FailureClass, TaskSpec};

/// Bytes of log where the pipeline sets no limit.
pub(crate) const DEFAULT_LOG_LIMIT: ByteSize = ByteSize(100 << 20);

/// Longer lines are cut.
pub(crate) const LONGEST_LINE: usize = 64 << 10;

/// How many of the last lines a failure carries.
const TAIL: usize = 20;

/// The tail is for people and goes into events; a line there is cut further.
const LONGEST_TAIL_LINE: usize = 2 << 10;

/// Lines go in, masked and clean; the file and the tail come out.
pub(crate) struct AttemptLog {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    written: u64,
    limit: ByteSize,
    tail: VecDeque<String>,
    /// The first thing that went wrong; nothing is written after it.
    pub(crate) failure: Option<Failure>,
}

impl AttemptLog {
    pub(crate) fn new(spec: &TaskSpec) -> Self {
        Self {
            path: spec.log.clone(),
            file: None,
            written: 0,
            limit: spec.limits.log.unwrap_or(DEFAULT_LOG_LIMIT),
            tail: VecDeque::new(),
            failure: None,
        }
    }

    /// Adds a line. False once the log has failed: at its limit, or on a full disk.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        if self.failure.is_some() {
            return false;
        }
        let line = clipped(line, LONGEST_LINE);
        let length = line.len() as u64 + 1;
        if self.written + length > self.limit.0 {
            let message = format!("it wrote more than {} of log", self.limit);
            // The note may pass the limit by its own length.
            let _ = self.append(&format!("[log ended here: {message}]"));
            let failure = Failure::new(FailureClass::LogLimit, message);
            self.failure = Some(Failure {
                help: Some("raise the step's log limit, or log less".to_owned()),
                ..failure
            });
            return false;
        }
        self.written += length;
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(clipped(line, LONGEST_TAIL_LINE).to_owned());
        if let Err(error) = self.append(line) {
            let message = format!("could not write the log {}", self.path.display());
            let failure = Failure::new(FailureClass::IoError, message);
            self.failure = Some(Failure {
                causes: vec![error.to_string()],
                ..failure
            });
            return false;
        }
        true
    }

    /// Makes everything so far visible to readers of the file.
    pub(crate) fn flush(&mut self) {
        if let Some(Err(error)) = self.file.as_mut().map(Write::flush)
            && self.failure.is_none()
        {
            let message = format!("could not write the log {}", self.path.display());
            let failure = Failure::new(FailureClass::IoError, message);
            self.failure = Some(Failure {
                causes: vec![error.to_string()],
                ..failure
            });
        }
    }

    /// The last lines, oldest first.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                if let Some(folder) = self.path.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
                self.file.insert(BufWriter::with_capacity(1 << 16, file))
            }
        };
        file.write_all(line.as_bytes())?;
        file.write_all(b"\n")
    }
}

/// The beginning of a text, at most `longest` bytes, never half a character.
pub(crate) fn clipped(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Text for a log: bytes that are no UTF-8 are replaced, colours and other terminal commands taken
/// out, so that reading a log cannot do anything to a terminal.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains(|c: char| c.is_control() && c != '\t') {
        return text.into_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.trim_end_matches('\r').chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' if characters.next_if_eq(&'[').is_some() => {
                // A control sequence ends with its first character from `@` to `~`.
                while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            '\t' => clean.push('\t'),
            control if control.is_control() => clean.push('\u{fffd}'),
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_commands_do_not_reach_a_reader() {
        assert_eq!(clean(b"\x1b[31mred\x1b[0m\r"), "red");
        assert_eq!(clean(b"a\tb"), "a\tb");
        assert_eq!(
            clean(b"\x1b]0;PWNED\x07x\xff\0"),
            "\u{fffd}]0;PWNED\u{fffd}x\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(clipped("aé", 2), "a");
        assert_eq!(clipped("aé", 3), "aé");
    }
}
