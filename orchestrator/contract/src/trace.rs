//! The place of a run and of its attempts in a distributed trace (W3C Trace Context).
//!
//! Everything is derived from the run's id: a run that is retried, resumed or taken over by another server
//! is one trace, without anybody having to remember what its spans were called.

use crate::name::RunId;
use std::fmt;
use std::str::FromStr;

/// 16 bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// 8 bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

/// A span as others refer to it; its text is the value of the header `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub trace: TraceId,
    pub span: SpanId,
    /// Whether somebody keeps the trace.
    pub is_sampled: bool,
}

/// A text that is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent: `00-`, 32 hexadecimal digits, `-`, 16 digits, `-`, 2 digits are expected")]
pub struct InvalidTraceparent;

impl TraceContext {
    /// A run as a whole, in its first round or, from 1, after so many retries.
    pub fn of_run(run: &RunId, round: u32) -> Self {
        Self::derived(run, &["run".as_bytes(), &round.to_be_bytes()])
    }

    /// An attempt of the step instance with that index.
    pub fn of_attempt(run: &RunId, instance: u32, attempt: u32) -> Self {
        Self::derived(
            run,
            &[
                "attempt".as_bytes(),
                &instance.to_be_bytes(),
                &attempt.to_be_bytes(),
            ],
        )
    }

    /// Anything else of a run that has a span: `what` tells kinds apart, the numbers those of a kind.
    pub fn of_part(run: &RunId, what: &str, instance: u32, number: i64) -> Self {
        Self::derived(
            run,
            &[what.as_bytes(), &instance.to_be_bytes(), &number.to_be_bytes()],
        )
    }

    fn derived(run: &RunId, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(run.as_str().as_bytes());
        for part in parts {
            hasher.update(&[0]).update(part);
        }
        let mut span = [0; 8];
        hasher.finalize_xof().fill(&mut span);
        if span == [0; 8] {
            span[7] = 1;
        }
        Self {
            trace: TraceId(run.bits().max(1).to_be_bytes()),
            span: SpanId(span),
            is_sampled: true,
        }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{}-{}-{:02x}",
            self.trace,
            self.span,
            u8::from(self.is_sampled)
        )
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceparent;

    /// Versions to come may append fields; those of version 00 are read.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim().split('-');
        let mut next = || parts.next().ok_or(InvalidTraceparent);
        let [version] = digits(next()?)?;
        let trace = digits(next()?)?;
        let span = digits(next()?)?;
        let [flags] = digits(next()?)?;
        let has_more = parts.next().is_some();
        if version == 0xff || (version == 0 && has_more) || trace == [0; 16] || span == [0; 8] {
            return Err(InvalidTraceparent);
        }
        Ok(Self {
            trace: TraceId(trace),
            span: SpanId(span),
            is_sampled: flags & 1 == 1,
        })
    }
}

fn digits<const N: usize>(text: &str) -> Result<[u8; N], InvalidTraceparent> {
    let text = text.as_bytes();
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return Err(InvalidTraceparent);
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        for digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(InvalidTraceparent),
            };
            *byte = *byte << 4 | value;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn run() -> RunId {
        RunId::from_parts(1_763_800_000_000, [7; 10])
    }

    #[test]
    fn the_trace_is_the_run_and_every_span_in_it_has_an_id_of_its_own() {
        let spans = [
            TraceContext::of_run(&run(), 0),
            TraceContext::of_run(&run(), 1),
            TraceContext::of_attempt(&run(), 0, 1),
            TraceContext::of_attempt(&run(), 0, 2),
            TraceContext::of_attempt(&run(), 1, 1),
            TraceContext::of_part(&run(), "approval", 1, 1),
        ];
        let mut ids: Vec<SpanId> = spans.iter().map(|span| span.span).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), spans.len());
        assert!(spans.iter().all(|span| span.trace == spans[0].trace));
        // The run's ULID in hexadecimal digits: milliseconds, then the random bits.
        assert_eq!(spans[0].trace.to_string(), "019aaaac260007070707070707070707");
    }

    #[test]
    fn a_context_is_read_as_it_is_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context: TraceContext = text.parse().unwrap();
        assert!(context.is_sampled);
        assert_eq!(context.to_string(), text);
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-of-the-future";
        assert!(!later.parse::<TraceContext>().unwrap().is_sampled);
    }

    #[test]
    fn what_is_no_context_is_refused() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(text.parse::<TraceContext>(), Err(InvalidTraceparent), "{text}");
        }
    }
}
