//! From the bytes of a pipe to lines of a log: put together across reads, masked, clean, cut.

use crate::log::{LONGEST_LINE, clean, clipped};
use crate::mask::Masker;

/// Puts lines together.
pub(super) struct LineBuffer {
    masker: Masker,
    partial: Vec<u8>,
    /// Bytes of the current line that were thrown away.
    dropped: u64,
}

impl LineBuffer {
    pub(super) fn new(masker: Masker) -> Self {
        Self {
            masker,
            partial: Vec::new(),
            dropped: 0,
        }
    }

    /// Takes bytes and gives the lines they complete, until `take` says no.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut take: impl FnMut(String) -> bool) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.add(&bytes[..end]);
            bytes = &bytes[end + 1..];
            if !take(self.line()) {
                return;
            }
        }
        self.add(bytes);
    }

    /// The last line, if it had no end.
    pub(super) fn finish(&mut self) -> Option<String> {
        (!self.partial.is_empty()).then(|| self.line())
    }

    /// What takes secrets out of texts.
    pub(super) fn masker(&self) -> &Masker {
        &self.masker
    }

    fn add(&mut self, bytes: &[u8]) {
        // Beyond the cut as much is kept as it takes to see a secret that lies across it.
        let room = (LONGEST_LINE + self.masker.longest()).saturating_sub(self.partial.len());
        let kept = bytes.len().min(room);
        self.partial.extend_from_slice(&bytes[..kept]);
        self.dropped += (bytes.len() - kept) as u64;
    }

    fn line(&mut self) -> String {
        let masked = self.masker.masked(&self.partial);
        let mut line = masked.as_deref().unwrap_or(&self.partial);
        if self.dropped > 0 {
            // The end may hold the first part of a secret whose rest was thrown away.
            line = &line[..line.len().saturating_sub(self.masker.longest())];
        }
        let text = clean(line);
        let cut = text.len() > LONGEST_LINE - 64 && (self.dropped > 0 || text.len() > LONGEST_LINE);
        let text = if cut {
            let kept = clipped(&text, LONGEST_LINE - 64);
            let lost = self.dropped + (self.partial.len() - kept.len().min(self.partial.len())) as u64;
            format!("{kept} [line cut: {lost} bytes more]")
        } else if self.dropped > 0 {
            format!("{text} [line cut: {} bytes more]", self.dropped)
        } else {
            text
        };
        self.partial.clear();
        self.dropped = 0;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(secrets: &[&str], chunks: &[&[u8]]) -> Vec<String> {
        let mut buffer = LineBuffer::new(Masker::new(secrets.iter().copied()));
        let mut lines = Vec::new();
        for chunk in chunks {
            buffer.feed(chunk, |line| {
                lines.push(line);
                true
            });
        }
        lines.extend(buffer.finish());
        lines
    }

    #[test]
    fn lines_are_put_together_across_reads_and_the_last_needs_no_end() {
        assert_eq!(lines(&[], &[b"a\nb", b"c\n", b"\nd"]), ["a", "bc", "", "d"]);
    }

    #[test]
    fn a_secret_split_across_reads_is_masked() {
        assert_eq!(lines(&["hunter2"], &[b"x hun", b"te", b"r2 y\n"]), ["x *** y"]);
    }

    #[test]
    fn a_long_line_is_cut_with_a_note_of_how_much() {
        let long = vec![b'x'; 200_000];
        let cut = lines(&[], &[&long, b"tail\nnext\n"]);
        assert!(
            cut[0].len() <= LONGEST_LINE && cut[0].ends_with("[line cut: 134532 bytes more]"),
            "{}",
            &cut[0][65_000..]
        );
        assert_eq!(cut[1], "next");
    }

    #[test]
    fn a_secret_at_the_cut_does_not_show_in_part() {
        let secret = "hunter2-hunter2";
        for before in LONGEST_LINE - 40..LONGEST_LINE + 20 {
            let mut long = vec![b'x'; before];
            long.extend_from_slice(secret.as_bytes());
            // A secret early in the line makes it shorter and moves the cut.
            let line = [
                secret.as_bytes(),
                &long,
                b"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n",
            ]
            .concat();
            let shown = lines(&[secret], &[&line]);
            assert!(!shown[0].contains("hu"), "{before}: {}", &shown[0][65_000..]);
        }
    }
}
