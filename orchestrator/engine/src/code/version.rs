//! The commit that the project folder stands at, and what of a run's files differs from it.

use super::git::{self, GitError, Question};
use crate::fingerprint;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use trainyard_contract::RunId;
use trainyard_domain::run::{CodeVersion, RunDefinition};
use trainyard_store::{LineageGraph, LineageNode, Store, StoreError};

/// For each of two questions: no run waits longer to know its version.
const WITHIN: Duration = Duration::from_millis(400);
/// How long git is left alone after it was too slow.
const PAUSE: Duration = Duration::from_secs(60);
/// How long an answer holds though nothing seems to have changed.
const HOLDS: Duration = Duration::from_secs(5);
/// Most files of a run that are compared, and the largest of them.
const MOST_FILES: usize = 2_000;
const LARGEST: u64 = 8 << 20;
/// Most changed files that are named.
const MOST_NAMED: usize = 20;
/// Most lists of files that are remembered.
const MOST_REMEMBERED: usize = 256;
/// See git-lfs: what lies in the folder is not what lies in git.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Most runs of a lineage graph whose versions are looked up.
const MOST_RUNS: usize = 500;

type Stamp = Option<(u64, i64, i64, u64)>;

/// Versions of the project folder's files, remembered for as long as nothing changes.
#[derive(Debug, Default)]
pub struct Versions {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// By the files that were asked for.
    answers: BTreeMap<BTreeSet<String>, Answer>,
    /// Git was too slow.
    not_before: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Answer {
    at: Instant,
    stamps: Vec<Stamp>,
    version: CodeVersion,
}

impl Versions {
    /// The version of the files that a definition goes by, as they stand in the project folder; none if
    /// git does not know, is not there or is slow.
    pub fn of(&self, project: &Path, definition: &RunDefinition) -> Option<CodeVersion> {
        let repository = repository(project)?;
        let files = files(project, definition);
        let watched = [repository.join("HEAD"), repository.join("logs/HEAD")];
        let own = files.iter().map(|file| project.join(file));
        let stamps: Vec<Stamp> = watched.into_iter().chain(own).map(|path| stamp(&path)).collect();
        {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.not_before.is_some_and(|then| Instant::now() < then) {
                return None;
            }
            let known = seen.answers.get(&files);
            let known = known.filter(|known| known.stamps == stamps && known.at.elapsed() < HOLDS);
            if let Some(known) = known {
                return Some(known.version.clone());
            }
        }
        let asked = ask(project, &files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match asked {
            Ok(version) => {
                if seen.answers.len() >= MOST_REMEMBERED {
                    seen.answers.clear();
                }
                let answer = Answer {
                    at: Instant::now(),
                    stamps,
                    version: version.clone(),
                };
                seen.answers.insert(files, answer);
                Some(version)
            }
            Err(GitError::Slow(_) | GitError::Missing) => {
                seen.not_before = Some(Instant::now() + PAUSE);
                None
            }
            // A repository without a commit, or one that is not ours.
            Err(_) => None,
        }
    }
}

/// Versions that the runs of a part of the lineage graph went by, as far as they are kept; of many runs the
/// nearest.
///
/// # Errors
/// If the store cannot be asked.
pub fn versions_in(store: &Store, graph: &LineageGraph) -> Result<BTreeMap<RunId, CodeVersion>, StoreError> {
    let mut found = BTreeMap::new();
    let mut asked = BTreeSet::new();
    for (node, _) in &graph.nodes {
        let (LineageNode::Run { run } | LineageNode::Step { run, .. }) = node else {
            continue;
        };
        if asked.len() >= MOST_RUNS || !asked.insert(run) {
            continue;
        }
        match store.run_definition(run) {
            Ok(definition) => found.extend(definition.code.map(|code| (run.clone(), code))),
            // Old runs are cleared away, their lineage stays.
            Err(StoreError::NoRun(_) | StoreError::NewerDefinition { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The folder that git keeps its things in, for this working tree.
fn repository(project: &Path) -> Option<PathBuf> {
    let at = project.ancestors().find(|folder| folder.join(".git").exists())?;
    let git = at.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = fs::read_to_string(&git).ok()?;
    Some(at.join(text.strip_prefix("gitdir:")?.trim()))
}

/// Files that a run goes by, as paths from the project folder: documents, scripts, schemas. Data has a
/// content of its own.
fn files(project: &Path, definition: &RunDefinition) -> BTreeSet<String> {
    let mut files: BTreeSet<String> = definition.documents.iter().cloned().collect();
    for pattern in definition.files.keys() {
        let found = fingerprint::local_files(project, pattern).unwrap_or_default();
        let inside = found
            .iter()
            .filter_map(|path| path.strip_prefix(project).ok()?.to_str());
        files.extend(inside.map(str::to_owned));
        if files.len() > MOST_FILES {
            break;
        }
    }
    files
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.size(), found.mtime(), found.mtime_nsec(), found.ino()))
}

fn ask(project: &Path, files: &BTreeSet<String>) -> Result<CodeVersion, GitError> {
    let unclear = || GitError::Refused("an answer that is not understood".to_owned());
    let arguments = ["rev-parse", "--show-prefix", "HEAD", "--abbrev-ref", "HEAD"];
    let answer = git::ask(project, &arguments, Vec::new(), WITHIN, 1 << 16)?;
    let answer = String::from_utf8(answer).map_err(|_| unclear())?;
    let mut lines: Vec<&str> = answer.lines().collect();
    let branch = lines.pop().ok_or_else(unclear)?;
    let commit = lines
        .pop()
        .filter(|id| git::is_object_id(id))
        .ok_or_else(unclear)?;
    let prefix = lines.join("\n");
    Ok(CodeVersion {
        commit: commit.to_owned(),
        branch: Some(branch.to_owned()).filter(|name| name != "HEAD"),
        changed: changed(project, files, commit, &prefix)?,
        pinned: None,
    })
}

/// Files that are not as in the commit.
fn changed(
    project: &Path,
    files: &BTreeSet<String>,
    commit: &str,
    prefix: &str,
) -> Result<Vec<String>, GitError> {
    let mut changed = Vec::new();
    let mut asked: Vec<&str> = Vec::new();
    for file in files.iter().take(MOST_FILES) {
        // A question is a line.
        match file.contains('\n') {
            true => changed.push(file.clone()),
            false => asked.push(file),
        }
    }
    let names: String = asked
        .iter()
        .map(|file| format!("{commit}:{prefix}{file}\n"))
        .collect();
    let mut question = Question::ask(project, &["cat-file", "--batch"], names.into_bytes(), WITHIN)?;
    for file in asked {
        if changed.len() >= MOST_NAMED {
            return Ok(changed);
        }
        let answer = question.answer()?;
        let mut head = Vec::new();
        answer.by_ref().take(1 << 16).read_until(b'\n', &mut head)?;
        let head = git::line(&head);
        let size = match head.rsplit_once(' ') {
            Some((_, "missing")) => None,
            Some((_, size)) => size.parse::<u64>().ok(),
            // It ended too early: late, most likely.
            None => {
                question.end()?;
                return Err(GitError::Refused("nothing".to_owned()));
            }
        };
        let Some(size) = size else {
            changed.push(file.to_owned());
            continue;
        };
        let path = project.join(file);
        let is_comparable = size <= LARGEST;
        let mut committed = Vec::new();
        if is_comparable {
            answer.by_ref().take(size).read_to_end(&mut committed)?;
        } else {
            std::io::copy(&mut answer.by_ref().take(size), &mut std::io::sink())?;
        }
        answer.read_exact(&mut [0])?;
        let is_same = match is_comparable {
            true => committed.starts_with(POINTER) || fs::read(&path).is_ok_and(|now| now == committed),
            false => fs::metadata(&path).is_ok_and(|now| now.len() == size),
        };
        if !is_same {
            changed.push(file.to_owned());
        }
    }
    question.end()?;
    changed.sort();
    Ok(changed)
}
