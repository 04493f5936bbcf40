//! `trainyard lineage`.

mod diff;
mod impact;
mod why;

use super::runs::Shelf;
use crate::args::{Direction, LineageCommand};
use crate::output::{Exit, Fault, Terminal, Tone};
use crate::project::Project;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use trainyard_contract::RunId;
use trainyard_contract::location::PublicName;
use trainyard_contract::task::Way;
use trainyard_domain::run::CodeVersion;
use trainyard_store::{LineageGraph, LineageNode};

type Versions = BTreeMap<RunId, CodeVersion>;

/// No screen shows more; JSON says when there was more.
const NODES_AT_MOST: usize = 10_000;

pub(crate) fn lineage(
    command: &LineageCommand,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let shelf = Shelf::open(&Project::here(home)?)?;
    match command {
        LineageCommand::Show {
            subject,
            direction,
            depth,
        } => show(&shelf, subject, *direction, *depth, terminal),
        LineageCommand::Up { subject, depth } => show(&shelf, subject, Direction::Up, *depth, terminal),
        LineageCommand::Down { subject, depth } => show(&shelf, subject, Direction::Down, *depth, terminal),
        LineageCommand::Impact { subject } => impact::impact(&shelf, subject, terminal),
        LineageCommand::Why { subject } => why::why(&shelf, subject, terminal),
        LineageCommand::Diff { before, now } => diff::diff(&shelf, before, now, terminal),
    }
}

fn show(
    shelf: &Shelf,
    subject: &str,
    direction: Direction,
    depth: u32,
    terminal: &mut Terminal,
) -> Result<Exit, Fault> {
    let start = find(shelf, subject)?;
    let mut documents = serde_json::Map::new();
    documents.insert("subject".into(), start.to_string().into());
    for (name, title, asked) in [
        ("up", "comes from", Direction::Up),
        ("down", "leads to", Direction::Down),
    ] {
        if direction != Direction::Both && direction != asked {
            continue;
        }
        let graph = match (&start, asked) {
            (LineageNode::Run { run }, Direction::Down) => shelf.store.lineage_of_run(run, NODES_AT_MOST)?,
            (LineageNode::Run { .. }, _) => continue,
            (_, Direction::Up) => shelf.store.lineage_up(&start, depth, NODES_AT_MOST)?,
            _ => shelf.store.lineage_down(&start, depth, NODES_AT_MOST)?,
        };
        let versions = trainyard_engine::versions_in(&shelf.store, &graph)?;
        if terminal.is_json() {
            documents.insert(name.into(), document(&graph, &versions));
        } else {
            let head = terminal.paint(Tone::Strong, format!("{start} {title}"));
            terminal.out(head);
            tree(&graph, &versions, &start, asked == Direction::Up, terminal);
        }
    }
    if terminal.is_json() {
        terminal.out_json(&Value::Object(documents));
    }
    Ok(Exit::Done)
}

/// What a person means: a model version, a run, a column, a dataset.
fn find(shelf: &Shelf, subject: &str) -> Result<LineageNode, Fault> {
    if let Some(view) = subject.strip_prefix("features:") {
        return feature_view(shelf, view);
    }
    if subject.contains([':', '@']) {
        let version = super::models::find(shelf, subject)?;
        return Ok(LineageNode::ModelVersion {
            name: version.name,
            version: version.version,
        });
    }
    if let Ok(run) = shelf.find(subject) {
        return Ok(LineageNode::Run { run });
    }
    // A path or URL is a place, which other systems know a dataset by.
    if subject.contains('/') {
        let here = std::env::current_dir().unwrap_or_default();
        let PublicName { namespace, name } = PublicName::of(subject, &here);
        return Ok(LineageNode::External { namespace, name });
    }
    if let Some((dataset, column)) = subject.split_once('.') {
        return Ok(LineageNode::DatasetColumn {
            dataset: dataset.to_owned(),
            column: column.to_owned(),
        });
    }
    if let Ok(version) = shelf.store.model_version(subject, "latest") {
        return Ok(LineageNode::ModelVersion {
            name: version.name,
            version: version.version,
        });
    }
    Ok(LineageNode::Dataset {
        name: subject.to_owned(),
    })
}

/// A view version, or a column of it: `weather`, `weather@v2`, `weather@v2.temp`.
fn feature_view(shelf: &Shelf, text: &str) -> Result<LineageNode, Fault> {
    let (view, column) = text
        .split_once('.')
        .map_or((text, None), |(view, column)| (view, Some(column)));
    let name = if view.contains('@') {
        format!("features:{view}")
    } else {
        let found = shelf.store.feature_view(view, None)?;
        let version = found.map_or(1, |found| found.view.version);
        format!("features:{view}@v{version}")
    };
    Ok(match column {
        Some(column) => LineageNode::DatasetColumn {
            dataset: name,
            column: column.to_owned(),
        },
        None => LineageNode::Dataset { name },
    })
}

/// Each thing once, under what led to it; a second mention is marked instead of repeated.
fn tree(graph: &LineageGraph, versions: &Versions, start: &LineageNode, up: bool, terminal: &mut Terminal) {
    if graph.edges.is_empty() {
        terminal.out("  nothing that is known");
        return;
    }
    let mut next: Vec<Vec<(usize, bool)>> = vec![Vec::new(); graph.nodes.len()];
    for edge in &graph.edges {
        let (from, to) = if up {
            (edge.target, edge.source)
        } else {
            (edge.source, edge.target)
        };
        if let Some(list) = next.get_mut(from) {
            list.push((to, edge.derived));
        }
    }
    let root = graph.nodes.iter().position(|(node, _)| node == start);
    let mut seen = BTreeSet::new();
    // A stack instead of recursion: lineage can be deep.
    let mut stack: Vec<(usize, usize, bool)> = match root {
        Some(root) => vec![(root, 0, true)],
        None => graph
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, (_, far))| *far == 0)
            .map(|(ix, _)| (ix, 1, true))
            .rev()
            .collect(),
    };
    while let Some((ix, depth, derived)) = stack.pop() {
        let Some((node, _)) = graph.nodes.get(ix) else {
            continue;
        };
        let again = !seen.insert(ix);
        if depth > 0 {
            let declared = if derived { "" } else { " (declared)" };
            let mark = if again && next.get(ix).is_some_and(|list| !list.is_empty()) {
                " …"
            } else {
                ""
            };
            let code = version_of(node, versions).map_or_else(String::new, |code| format!("  code {code}"));
            terminal.out(format!("{}{node}{declared}{mark}{code}", "  ".repeat(depth)));
        }
        if !again {
            stack.extend(
                next.get(ix)
                    .into_iter()
                    .flatten()
                    .rev()
                    .map(|(to, derived)| (*to, depth + 1, *derived)),
            );
        }
    }
    if graph.truncated {
        terminal.note("more than can be shown; narrow it with --depth");
    }
}

/// Which version of its files a step or run went by.
fn version_of<'a>(node: &LineageNode, versions: &'a Versions) -> Option<&'a CodeVersion> {
    match node {
        LineageNode::Run { run } | LineageNode::Step { run, .. } => versions.get(run),
        _ => None,
    }
}

fn document(graph: &LineageGraph, versions: &Versions) -> Value {
    let nodes: Vec<Value> = graph
        .nodes
        .iter()
        .map(|(node, far)| {
            let mut document = json!({ "node": node.to_string(), "distance": far });
            if let Some(code) = version_of(node, versions) {
                document["code"] = super::runs::code::document(code);
            }
            document
        })
        .collect();
    let edges: Vec<Value> = graph
        .edges
        .iter()
        .map(|edge| {
            json!({
                "source": edge.source, "target": edge.target, "derived": edge.derived,
                "ways": edge.ways.iter().map(Way::word).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "nodes": nodes, "edges": edges, "truncated": graph.truncated })
}
