//! The texts that diagnostics point into.

use std::sync::Arc;

/// A file among [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// Bytes `start..end` of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub start: usize,
    pub end: usize,
}

/// A text and the name under which it is shown.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Path relative to where the user stands, or as given.
    pub name: String,
    pub text: Arc<str>,
    line_starts: Vec<usize>,
}

/// All files that were read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    /// Files as used from one place: of which file, and where.
    uses: Vec<(FileId, Span)>,
}

/// Ids from here on are of uses.
const FIRST_USE: u32 = 1 << 31;

impl Sources {
    /// Adds a file.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let text = text.into();
        // A byte order mark is no character of the first line.
        let first = if text.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        let line_starts = std::iter::once(first)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile {
            name: name.into(),
            text,
            line_starts,
        });
        id
    }

    /// The same file under another id, which says from where it is used: what is found in it through
    /// that use can be told from what is found through others.
    pub fn used_at(&mut self, file: FileId, at: Span) -> FileId {
        let id = FIRST_USE.saturating_add(u32::try_from(self.uses.len()).unwrap_or(u32::MAX));
        self.uses.push((file, at));
        FileId(id)
    }

    /// The file that an id of [`Sources::used_at`] stands for, and the place of the use.
    pub fn use_of(&self, id: FileId) -> Option<(FileId, Span)> {
        let index = id.0.checked_sub(FIRST_USE)?;
        self.uses.get(index as usize).copied()
    }

    /// The id of the file itself.
    pub fn itself(&self, id: FileId) -> FileId {
        self.use_of(id).map_or(id, |(file, _)| file)
    }

    /// The file of that id; ids come only from [`Sources::add`] and [`Sources::used_at`].
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(self.itself(id).0 as usize)
    }

    /// All files in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files
            .iter()
            .enumerate()
            .map(|(at, file)| (FileId(u32::try_from(at).unwrap_or(u32::MAX)), file))
    }
}

impl SourceFile {
    /// Line and column of a byte, both from 1; columns count characters.
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let byte = byte.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= byte).max(1);
        let start = self.line_start(line);
        let byte = byte.max(start);
        let column = self
            .text
            .get(start..byte)
            .map_or(byte - start, |before| before.chars().count());
        (line, column + 1)
    }

    /// The byte at which a line (from 1) starts; the end of the text for lines that are not there.
    pub fn line_start(&self, line: usize) -> usize {
        let start = line.checked_sub(1).and_then(|at| self.line_starts.get(at));
        start.copied().unwrap_or(self.text.len())
    }

    /// The text of a line (from 1) without its line end.
    pub fn line(&self, line: usize) -> &str {
        let Some(start) = line.checked_sub(1).and_then(|at| self.line_starts.get(at)) else {
            return "";
        };
        let end = self
            .line_starts
            .get(line)
            .map_or(self.text.len(), |next| next - 1);
        self.text.get(*start..end).unwrap_or("").trim_end_matches('\r')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_from_one() {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", "a: é x\r\nb: 2\n");
        let file = sources.file(id).unwrap();
        assert_eq!(file.line_column(0), (1, 1));
        assert_eq!(file.line_column("a: é ".len()), (1, 6));
        assert_eq!(file.line_column("a: é x\r\n".len()), (2, 1));
        assert_eq!(file.line(1), "a: é x");
        assert_eq!(file.line(2), "b: 2");
        assert_eq!(file.line(9), "");
    }
}
