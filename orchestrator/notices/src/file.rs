//! A file of the project that gets a line for each notice.

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, mkdirat, openat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use trainyard_domain::notice::Answer;

/// Appends lines, all of them or none that would count: durable when it returns. Nothing on the way to the file may
/// be a link, so that it is a file of the project.
pub(crate) fn append(root: &Path, path: &str, lines: &[Vec<u8>]) -> Answer {
    match write(root, path, lines) {
        Ok(()) => Answer::Taken,
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Answer::Refused {
            why: format!("`{path}` is no file of the project that could take lines"),
        },
        Err(error) => Answer::Later {
            after: None,
            why: format!("`{path}` could not be written: {}", error.kind()),
        },
    }
}

fn write(root: &Path, path: &str, lines: &[Vec<u8>]) -> io::Result<()> {
    let mut file = File::from(open(root, path)?);
    let mut text = Vec::new();
    if !ends_with_a_line(&mut file)? {
        // Whoever wrote last died on the way; what they left is a line of its own.
        text.push(b'\n');
    }
    for line in lines {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    file.write_all(&text)?;
    file.sync_data()
}

fn ends_with_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn open(root: &Path, path: &str) -> io::Result<OwnedFd> {
    let not_of_the_project = || io::Error::from(io::ErrorKind::InvalidInput);
    let mut parts = path.split('/').peekable();
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = openat(CWD, root, folder, Mode::empty())?;
    while let Some(part) = parts.next() {
        if part.is_empty() || part == "." || part == ".." || part.contains(['\\', '\0']) {
            return Err(not_of_the_project());
        }
        if parts.peek().is_none() {
            let flags = OFlags::RDWR
                | OFlags::APPEND
                | OFlags::CREATE
                | OFlags::NOFOLLOW
                | OFlags::CLOEXEC
                | OFlags::NONBLOCK;
            let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
            let file = openat(&at, part, flags, mode).map_err(refused)?;
            let is_file = FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::RegularFile;
            return if is_file {
                Ok(file)
            } else {
                Err(not_of_the_project())
            };
        }
        if let Err(Errno::NOENT) = statat(&at, part, AtFlags::SYMLINK_NOFOLLOW) {
            match mkdirat(
                &at,
                part,
                Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH,
            ) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        at = openat(&at, part, folder | OFlags::NOFOLLOW, Mode::empty()).map_err(refused)?;
    }
    Err(not_of_the_project())
}

/// A link, or a file where a folder should be, is not a matter of time.
fn refused(error: Errno) -> io::Error {
    match error {
        Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO => io::ErrorKind::InvalidInput.into(),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn lines(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn lines_are_appended_and_folders_made() {
        let root = tempfile::tempdir().unwrap();
        for text in ["a", "b"] {
            assert_eq!(
                append(root.path(), "out/notices.ndjson", &lines(&[text])),
                Answer::Taken
            );
        }
        assert_eq!(
            std::fs::read_to_string(root.path().join("out/notices.ndjson")).unwrap(),
            "a\nb\n"
        );
    }

    #[test]
    fn a_line_that_was_torn_by_a_crash_stays_alone() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("n.ndjson"), "whole\nto").unwrap();
        append(root.path(), "n.ndjson", &lines(&["next"]));
        assert_eq!(
            std::fs::read_to_string(root.path().join("n.ndjson")).unwrap(),
            "whole\nto\nnext\n"
        );
    }

    /// CVE-2023-1177 and its kind: no path leads out of the project.
    #[test]
    fn nothing_outside_the_project_is_written() {
        let outside = tempfile::tempdir().unwrap();
        let canary = outside.path().join("canary.ndjson");
        std::fs::write(&canary, "untouched\n").unwrap();
        let root = tempfile::tempdir().unwrap();
        symlink(&canary, root.path().join("link.ndjson")).unwrap();
        symlink(outside.path(), root.path().join("folder")).unwrap();
        std::fs::create_dir(root.path().join("taken.ndjson")).unwrap();
        let absolute = canary.to_str().unwrap();
        let paths = [
            absolute,
            "../canary.ndjson",
            "a/../../canary.ndjson",
            "..\\canary.ndjson",
            "./n.ndjson",
            "a//n.ndjson",
            "link.ndjson",
            "folder/canary.ndjson",
            "folder/new.ndjson",
            "",
            "/",
            "a/",
            "n\0.ndjson",
            "taken.ndjson",
        ];
        for path in paths {
            let answer = append(root.path(), path, &lines(&["evil"]));
            assert!(matches!(answer, Answer::Refused { .. }), "{path}: {answer:?}");
        }
        assert_eq!(std::fs::read_to_string(&canary).unwrap(), "untouched\n");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    }
}
