//! Lines of JSON between the executor and its processes: orders on their standard input, answers on
//! what was their standard output.

use rustix::io::FdFlags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use trainyard_contract::{Millis, TaskReport, TaskSpec};

/// Version of this protocol. Both ends are the same binary, unless it was replaced meanwhile.
pub(crate) const PROTOCOL_VERSION: u32 = 1;

/// A line longer than this is a fault, not a document.
const LONGEST_LINE: usize = 256 << 20;

/// What the executor wants.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    Run(Box<RunOrder>),
    /// To a worker: look at what a command left behind.
    Inspect {
        id: u64,
        spec: Box<TaskSpec>,
        report: Box<TaskReport>,
    },
    /// End it: politely, and after `grace` by force.
    Cancel {
        id: u64,
        grace: Millis,
    },
    /// Give back those that have not begun.
    Recall {
        ids: Vec<u64>,
    },
    /// To the supervisor: one attempt fewer at a time.
    Release,
}

/// An attempt to carry out.
#[derive(Deserialize)]
pub(crate) struct RunOrder {
    pub(crate) id: u64,
    pub(crate) spec: TaskSpec,
    /// The attempt's key as text, the mark of its processes.
    pub(crate) mark: String,
    /// Known to take next to no time: reports may wait for each other.
    pub(crate) quick: bool,
    /// To the supervisor: start when one that runs has ended, in its place.
    pub(crate) next: bool,
    /// To the supervisor: before all that wait.
    pub(crate) first: bool,
    /// Send log lines on.
    pub(crate) follow: bool,
    /// Environment variable → value.
    pub(crate) secrets: BTreeMap<String, String>,
}

/// [`Order::Run`] as it is sent, so that nothing need be copied for it.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SentOrder<'a> {
    Run {
        id: u64,
        spec: &'a TaskSpec,
        mark: &'a str,
        quick: bool,
        next: bool,
        first: bool,
        follow: bool,
        secrets: &'a BTreeMap<String, String>,
    },
    Inspect {
        id: u64,
        spec: &'a TaskSpec,
        report: &'a TaskReport,
    },
    Cancel {
        id: u64,
        grace: Millis,
    },
    Recall {
        ids: &'a [u64],
    },
    Release,
}

/// What a worker or the supervisor has to say.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// First of all.
    Hello {
        version: u32,
    },
    Began {
        id: u64,
        at: i64,
    },
    Progress {
        id: u64,
        done: u64,
        total: u64,
        unit: String,
    },
    Log {
        id: u64,
        line: String,
    },
    Ended(Box<EndedAnswer>),
    /// Orders that were recalled in time.
    Returned {
        ids: Vec<u64>,
    },
}

/// An attempt is over.
#[derive(Serialize, Deserialize)]
pub(crate) struct EndedAnswer {
    pub(crate) id: u64,
    /// Microseconds since 1970.
    pub(crate) began: i64,
    pub(crate) micros: u64,
    /// The worker is about to end and takes nothing more.
    #[serde(default)]
    pub(crate) is_last: bool,
    pub(crate) report: TaskReport,
}

/// Sends lines; shared by the threads of a process.
pub(crate) struct Answers {
    out: Mutex<Buffered>,
}

struct Buffered {
    file: File,
    waiting: Vec<u8>,
}

impl Answers {
    /// Takes standard output for the protocol and makes whatever else writes there write to
    /// standard error, so that a library that prints cannot damage the protocol.
    pub(crate) fn take_stdout() -> io::Result<Self> {
        let file = File::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?);
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        rustix::io::fcntl_setfd(&file, FdFlags::CLOEXEC)?;
        Ok(Self {
            out: Mutex::new(Buffered {
                file,
                waiting: Vec::with_capacity(1 << 16),
            }),
        })
    }

    /// Sends an answer now, after whatever waits.
    pub(crate) fn send(&self, answer: &Answer) {
        self.write(answer, true);
    }

    /// Sends an answer with the next one, or when enough are waiting.
    pub(crate) fn send_soon(&self, answer: &Answer) {
        self.write(answer, false);
    }

    /// Sends what waits.
    pub(crate) fn flush(&self) {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }

    fn write(&self, answer: &Answer, now: bool) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        push_line(&mut out.waiting, answer);
        if now || out.waiting.len() > 48 << 10 {
            out.flush();
        }
    }
}

impl Buffered {
    fn flush(&mut self) {
        // Nobody listens any more: standard input says so, too, and ends the process.
        let _ = self.file.write_all(&self.waiting);
        self.waiting.clear();
    }
}

/// Adds one document and its line end.
pub(crate) fn push_line<T: Serialize>(buffer: &mut Vec<u8>, document: &T) {
    let start = buffer.len();
    // Our documents have text keys and no failing serializers; half a line would be worse than none.
    if serde_json::to_writer(&mut *buffer, document).is_err() {
        buffer.truncate(start);
        return;
    }
    buffer.push(b'\n');
}

/// Reads documents, as many at a time as have arrived.
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    partial: Vec<u8>,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader: BufReader::with_capacity(1 << 18, reader),
            partial: Vec::new(),
        }
    }

    /// All whole lines that are there, after waiting for the first; empty at the end of the stream.
    pub(crate) fn next_batch<T: for<'a> Deserialize<'a>>(&mut self) -> io::Result<Vec<T>> {
        let mut batch = Vec::new();
        while batch.is_empty() {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                break;
            }
            let length = buffer.len();
            let mut rest = buffer;
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = &rest[..end];
                let document = if self.partial.is_empty() {
                    serde_json::from_slice(line)
                } else {
                    self.partial.extend_from_slice(line);
                    let document = serde_json::from_slice(&self.partial);
                    self.partial.clear();
                    document
                };
                batch.push(document.map_err(io::Error::other)?);
                rest = &rest[end + 1..];
            }
            self.partial.extend_from_slice(rest);
            self.reader.consume(length);
            if self.partial.len() > LONGEST_LINE {
                return Err(io::Error::other("a protocol line is too long"));
            }
        }
        Ok(batch)
    }
}

/// A descriptor of standard input that children do not inherit.
pub(crate) fn take_stdin() -> io::Result<File> {
    let stdin = rustix::stdio::stdin();
    Ok(File::from(rustix::io::fcntl_dupfd_cloexec(stdin.as_fd(), 3)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, the worst way a pipe can cut.
    struct Slowly(Vec<u8>);
    impl Read for Slowly {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            buffer[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn documents_survive_any_cut_and_a_missing_last_line_end_is_no_document() {
        let mut bytes = Vec::new();
        push_line(&mut bytes, &Answer::Began { id: 7, at: 1 });
        push_line(&mut bytes, &Answer::Returned { ids: vec![1, 2] });
        bytes.extend_from_slice(b"{\"began\":");
        let mut lines = Lines::new(Slowly(bytes));
        let mut seen: Vec<Answer> = Vec::new();
        loop {
            let batch = lines.next_batch().unwrap();
            if batch.is_empty() {
                break;
            }
            seen.extend(batch);
        }
        assert!(
            matches!(&seen[..], [Answer::Began { id: 7, at: 1 }, Answer::Returned { ids }] if ids == &[1, 2])
        );
    }
}
