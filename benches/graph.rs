//! Graphs of steps, as our YAML and as the peers' files.

use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Upstream steps of each step, by index.
pub(crate) struct Graph {
    needs: Vec<Vec<usize>>,
}

/// What each step does.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// A built-in step that does nothing.
    Noop,
    /// A command that does nothing.
    #[allow(dead_code, reason = "not every bench starts processes")]
    Process(&'static str),
}

impl Graph {
    /// Layers in which each step needs two of the layer before.
    pub(crate) fn layers(layers: usize, width: usize) -> Self {
        let needs = (0..layers * width)
            .map(|ix| match (ix / width, ix % width) {
                (0, _) => Vec::new(),
                (layer, place) => {
                    let before = (layer - 1) * width;
                    let mut two = vec![before + place, before + (place + 1) % width];
                    two.dedup();
                    two
                }
            })
            .collect();
        Self { needs }
    }

    /// Steps that need the one before.
    #[allow(dead_code, reason = "not every bench has a chain")]
    pub(crate) fn chain(length: usize) -> Self {
        Self {
            needs: (0..length)
                .map(|ix| ix.checked_sub(1).into_iter().collect())
                .collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.needs.len()
    }

    /// As a pipeline.
    pub(crate) fn yaml(&self, work: Work) -> String {
        let mut text = String::from("version: 1\nname: bench\ndefaults: {cache: false}\nsteps:\n");
        for (ix, needs) in self.needs.iter().enumerate() {
            let what = match work {
                Work::Noop => "uses: debug.noop@v1".to_owned(),
                Work::Process(command) => format!("run: \"{command}\""),
            };
            let needs: Vec<String> = needs.iter().map(|need| format!("s{need}")).collect();
            writeln!(text, "  s{ix}: {{{what}, needs: [{}]}}", needs.join(", ")).unwrap();
        }
        text
    }
}

/// Time that ninja or make takes for the graph with a command in each step; none if it is not there.
#[allow(dead_code, reason = "not every bench has peers")]
pub(crate) fn peer(graph: &Graph, name: &str, command: &str) -> Option<Duration> {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    let cores = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .to_string();
    let (file, args) = match name {
        "ninja" => {
            writeln!(text, "rule t\n  command = {command}").unwrap();
            for (ix, needs) in graph.needs.iter().enumerate() {
                let needs: Vec<String> = needs.iter().map(|need| format!("s{need}")).collect();
                writeln!(text, "build s{ix}: t {}", needs.join(" ")).unwrap();
            }
            ("build.ninja", vec!["-j", &cores, "--quiet"])
        }
        _ => {
            let all: Vec<String> = (0..graph.len()).map(|ix| format!("s{ix}")).collect();
            writeln!(text, ".PHONY: {0}\nall: {0}", all.join(" ")).unwrap();
            for (ix, needs) in graph.needs.iter().enumerate() {
                let needs: Vec<String> = needs.iter().map(|need| format!("s{need}")).collect();
                writeln!(text, "s{ix}: {}\n\t@{command}", needs.join(" ")).unwrap();
            }
            ("Makefile", vec!["-s", "-j", &cores])
        }
    };
    std::fs::write(folder.path().join(file), text).unwrap();
    let start = Instant::now();
    let status = Command::new(name)
        .args(args)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    status.success().then(|| start.elapsed())
}
