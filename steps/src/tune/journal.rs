//! What a search has done so far, kept beside the attempt: a later attempt goes on where it was.

use super::plan::Job;
use super::trial::Outcome;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use trainyard_contract::TaskSpec;

/// The ended jobs of an earlier attempt, and the file that takes those of this one.
pub(super) struct Journal {
    path: PathBuf,
    file: Option<File>,
    known: BTreeMap<usize, Outcome>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    place: usize,
    outcome: Outcome,
}

impl Journal {
    /// Opens the journal of a step instance. One of another search (other parameters, other inputs) is
    /// begun anew. Where nothing can be written the search goes on without.
    pub(super) fn open(path: &Path, spec: &TaskSpec, revision: u32) -> Self {
        let head = serde_json::json!({
            "revision": revision, "with": spec.with, "inputs": spec.inputs,
        })
        .to_string();
        let (known, whole) = read(path, &head);
        let file = if known.is_empty() {
            begin(path, &head)
        } else {
            // What was cut off while it was written goes.
            OpenOptions::new().write(true).open(path).and_then(|mut file| {
                file.set_len(whole)?;
                std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0))?;
                Ok(file)
            })
        };
        Self {
            path: path.to_owned(),
            file: file.ok(),
            known,
        }
    }

    /// How many jobs an earlier attempt ended.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// What an earlier attempt found for this very job.
    pub(super) fn outcome(&self, place: usize, job: &Job) -> Option<&Outcome> {
        self.known.get(&place).filter(|outcome| outcome.job == *job)
    }

    /// Keeps a result.
    pub(super) fn keep(&mut self, place: usize, outcome: &Outcome) {
        if self.known.contains_key(&place) {
            return;
        }
        let line = Line {
            place,
            outcome: outcome.clone(),
        };
        if let (Some(file), Ok(mut line)) = (&mut self.file, serde_json::to_string(&line)) {
            line.push('\n');
            // One write a line: a killed search leaves whole lines, but for the last.
            if file.write_all(line.as_bytes()).is_err() {
                self.file = None;
            }
        }
    }

    /// The search is done: nothing is left to go on with.
    pub(super) fn close(self) {
        drop(self.file);
        let _ = std::fs::remove_file(&self.path);
    }
}

fn begin(path: &Path, head: &str) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = File::create(path)?;
    file.write_all(format!("{head}\n").as_bytes())?;
    Ok(file)
}

/// The results in a journal that begins with `head`, and up to which byte its lines are whole.
fn read(path: &Path, head: &str) -> (BTreeMap<usize, Outcome>, u64) {
    let mut known = BTreeMap::new();
    let mut whole = 0;
    let Ok(file) = File::open(path) else {
        return (known, whole);
    };
    let mut reader = BufReader::new(file);
    let mut line = String::new();
    let mut is_head = true;
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        let Some(text) = line.strip_suffix('\n') else {
            break;
        };
        if is_head {
            if text != head {
                break;
            }
            is_head = false;
        } else {
            let Ok(Line { place, outcome }) = serde_json::from_str(text) else {
                break;
            };
            known.insert(place, outcome);
        }
        whole += line.len() as u64;
        line.clear();
    }
    (known, whole)
}
