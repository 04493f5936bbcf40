//! A tree of a repository, written into a folder of its own: nothing outside it, whatever its names say.

use super::git::{GitError, Question, ask};
use super::revision::RevisionError;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Most files of a revision, and most bytes of them together.
const MOST_FILES: usize = 50_000;
const MOST_BYTES: u64 = 1 << 30;
/// Longest path.
const LONGEST_PATH: usize = 4_000;
/// Longest target of a link.
const LONGEST_TARGET: u64 = 4_000;
/// For all of it.
const WITHIN: Duration = Duration::from_secs(300);
/// What git-lfs puts into a repository in place of a file, which is never longer than this.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
const LONGEST_POINTER: u64 = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Program,
    Link,
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    kind: Kind,
    object: String,
    size: u64,
}

/// Writes a tree into a folder that is there and empty.
pub(super) fn write(project: &Path, tree: &str, folder: &Path) -> Result<(), RevisionError> {
    let arguments = ["ls-tree", "-r", "-z", "-l", "--full-tree", tree];
    let listing = ask(project, &arguments, Vec::new(), WITHIN, 64 << 20)?;
    let entries = entries(&listing)?;
    let names: Vec<u8> = entries
        .iter()
        .flat_map(|entry| [entry.object.as_bytes(), b"\n".as_slice()])
        .flatten()
        .copied()
        .collect();
    let mut question = Question::ask(project, &["cat-file", "--batch"], names, WITHIN)?;
    let mut links = Vec::new();
    let written = contents(&mut question, &entries, folder, &mut links);
    match (written, question.end()) {
        // Why git ended says more than that it did.
        (Err(_), Err(error @ (GitError::Slow(_) | GitError::Refused(_)))) => return Err(error.into()),
        (written, ended) => {
            written?;
            ended?;
        }
    }
    // Last, so that nothing is written through one.
    for (path, target) in links {
        let at = folder.join(path);
        symlink(&target, &at).map_err(|source| io("make the link", &at, source))?;
    }
    Ok(())
}

fn contents(
    question: &mut Question,
    entries: &[Entry],
    folder: &Path,
    links: &mut Vec<(PathBuf, PathBuf)>,
) -> Result<(), RevisionError> {
    for entry in entries {
        let answer = question.answer()?;
        let mut head = String::new();
        answer
            .by_ref()
            .take(256)
            .read_line(&mut head)
            .map_err(GitError::Io)?;
        if head.trim_end() != format!("{} blob {}", entry.object, entry.size) {
            // An object that is not there, as in a repository that was cloned in part.
            return Err(refused(&entry.path, "git does not have its content"));
        }
        let mut content = answer.by_ref().take(entry.size);
        let at = folder.join(&entry.path);
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent).map_err(|source| io("make the folder", parent, source))?;
        }
        if entry.kind == Kind::Link {
            let mut target = Vec::new();
            content.read_to_end(&mut target).map_err(GitError::Io)?;
            let target = PathBuf::from(OsStr::from_bytes(&target));
            judge_link(&entry.path, &target)?;
            links.push((entry.path.clone(), target));
        } else {
            file(&mut content, entry, &at)?;
        }
        if content.limit() > 0 {
            return Err(refused(&entry.path, "git gave only a part of it"));
        }
        let mut end = [0];
        answer.read_exact(&mut end).map_err(GitError::Io)?;
    }
    Ok(())
}

fn file(content: &mut impl Read, entry: &Entry, at: &Path) -> Result<(), RevisionError> {
    let mut start = Vec::new();
    if entry.size <= LONGEST_POINTER {
        content.read_to_end(&mut start).map_err(GitError::Io)?;
        if start.starts_with(POINTER) {
            return Ok(());
        }
    }
    let mode = if entry.kind == Kind::Program { 0o555 } else { 0o444 };
    let fault = |source| io("write", at, source);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(at)
        .map_err(fault)?;
    file.write_all(&start).map_err(fault)?;
    std::io::copy(content, &mut file).map_err(fault)?;
    Ok(())
}

/// Reads what `git ls-tree -r -z -l` lists; folders of submodules are left out.
fn entries(listing: &[u8]) -> Result<Vec<Entry>, RevisionError> {
    let mut found: BTreeMap<PathBuf, Entry> = BTreeMap::new();
    let mut bytes = 0u64;
    for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let Some(tab) = line.iter().position(|byte| *byte == b'\t') else {
            return Err(refused(Path::new("?"), "git lists it in a way that is not known"));
        };
        let path = Path::new(OsStr::from_bytes(&line[tab + 1..]));
        let head = String::from_utf8_lossy(&line[..tab]);
        let words: Vec<&str> = head.split_whitespace().collect();
        let (kind, object, size) = match words.as_slice() {
            [_, "commit", ..] => continue,
            ["100644" | "100664", "blob", object, size] => (Kind::File, object, size),
            ["100755", "blob", object, size] => (Kind::Program, object, size),
            ["120000", "blob", object, size] => (Kind::Link, object, size),
            _ => return Err(refused(path, "it is no file, link or folder")),
        };
        let Ok(size) = size.parse::<u64>() else {
            return Err(refused(path, "git does not have its content"));
        };
        judge_path(path)?;
        if kind == Kind::Link && size > LONGEST_TARGET {
            return Err(refused(path, "the link is too long"));
        }
        bytes = bytes.saturating_add(size);
        let entry = Entry {
            path: path.to_owned(),
            kind,
            object: (*object).to_owned(),
            size,
        };
        if found.insert(path.to_owned(), entry).is_some() {
            return Err(refused(path, "it is there twice"));
        }
    }
    if found.len() > MOST_FILES || bytes > MOST_BYTES {
        return Err(RevisionError::TooLarge {
            files: found.len(),
            bytes,
            most_files: MOST_FILES,
            most_bytes: MOST_BYTES,
        });
    }
    for path in found.keys() {
        let above = path.ancestors().skip(1);
        if let Some(file) = above.into_iter().find(|above| found.contains_key(*above)) {
            return Err(refused(file, "it is a file and a folder"));
        }
    }
    Ok(found.into_values().collect())
}

/// Whether a path goes down from the folder and nowhere else.
fn judge_path(path: &Path) -> Result<(), RevisionError> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() > LONGEST_PATH {
        return Err(refused(path, "its path is too long"));
    }
    for part in bytes.split(|byte| *byte == b'/') {
        if part.is_empty() || part == b"." || part == b".." {
            return Err(refused(path, "its path leaves the folder"));
        }
        if part.eq_ignore_ascii_case(b".git") {
            return Err(refused(path, "it is the repository's own"));
        }
    }
    Ok(())
}

/// Whether a link leads to somewhere inside. Its target may go up at the beginning alone: after a name, `..`
/// would go up from wherever that leads.
fn judge_link(path: &Path, target: &Path) -> Result<(), RevisionError> {
    let mut room = path.components().count() - 1;
    let mut has_name = false;
    for part in target.components() {
        match part {
            Component::Normal(name) if !name.as_bytes().contains(&0) => has_name = true,
            Component::CurDir => {}
            Component::ParentDir if !has_name && room > 0 => room -= 1,
            _ => return Err(refused(path, "it is a link that leaves the project")),
        }
    }
    Ok(())
}

fn refused(path: &Path, reason: &'static str) -> RevisionError {
    RevisionError::Hostile {
        path: path.to_string_lossy().escape_debug().to_string(),
        reason,
    }
}

pub(super) fn io(doing: &'static str, path: &Path, source: std::io::Error) -> RevisionError {
    RevisionError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Takes the right to write from a folder and those in it, or gives it back.
pub(super) fn protect(folder: &Path, is_protected: bool) -> std::io::Result<()> {
    let mode = if is_protected { 0o555 } else { 0o755 };
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            // A link is not followed.
            if entry.file_type()?.is_dir() {
                left.push(entry.path());
            }
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(lines: &[&str]) -> Result<Vec<Entry>, RevisionError> {
        let id = "0".repeat(40);
        let text: Vec<String> = lines.iter().map(|line| line.replace('@', &id) + "\0").collect();
        entries(text.concat().as_bytes())
    }

    #[test]
    fn files_links_and_programs_are_taken_and_submodules_left_out() {
        let entries = listed(&[
            "100644 blob @       3\ta\nb.yaml",
            "100755 blob @       3\tbin/run.sh",
            "120000 blob @       3\tlatest",
            "160000 commit @       -\tvendor/other",
        ])
        .unwrap();
        let kinds: Vec<(&str, Kind)> = entries
            .iter()
            .map(|entry| (entry.path.to_str().unwrap(), entry.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                ("a\nb.yaml", Kind::File),
                ("bin/run.sh", Kind::Program),
                ("latest", Kind::Link)
            ]
        );
    }

    #[test]
    fn no_name_leaves_the_folder() {
        for path in [
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a//b",
            "./a",
            "a/.",
            ".git/config",
            "a/.GIT/hooks/x",
            &"d/".repeat(3_000),
        ] {
            let line = format!("100644 blob @       3\t{path}");
            assert!(
                matches!(listed(&[&line]), Err(RevisionError::Hostile { .. })),
                "{path}"
            );
        }
    }

    #[test]
    fn what_is_two_things_at_once_is_refused() {
        for lines in [
            ["120000 blob @       3\ta", "100644 blob @       3\ta/x"],
            ["100644 blob @       3\ta", "120000 blob @       3\ta"],
        ] {
            assert!(
                matches!(listed(&lines), Err(RevisionError::Hostile { .. })),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn too_much_is_refused_before_it_is_read() {
        let line = format!("100644 blob @ {}\tbig.bin", MOST_BYTES + 1);
        assert!(matches!(listed(&[&line]), Err(RevisionError::TooLarge { .. })));
    }

    #[test]
    fn a_link_leads_to_somewhere_inside_whatever_other_links_do() {
        let judge = |path: &str, target: &str| judge_link(Path::new(path), Path::new(target)).is_ok();
        for (path, target) in [
            ("a", "b/c"),
            ("d/a", "../b"),
            ("d/e/a", "../../b/./c"),
            ("a", "."),
        ] {
            assert!(judge(path, target), "{path} → {target}");
        }
        for (path, target) in [
            ("a", "/etc"),
            ("a", ".."),
            ("d/a", "../../x"),
            // `l` may be a link to the top.
            ("d/a", "l/.."),
            ("d/e/a", "../l/../.."),
            ("a", "b\0c"),
        ] {
            assert!(!judge(path, target), "{path} → {target}");
        }
    }
}
