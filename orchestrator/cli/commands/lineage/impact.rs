//! `trainyard lineage impact`: which models a dataset or column reaches, and the way there.

use super::{NODES_AT_MOST, find};
use crate::commands::runs::Shelf;
use crate::output::{Exit, Fault, Terminal};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use trainyard_store::{LineageGraph, LineageNode};

/// Deeper than any pipeline.
const DEEPEST: u32 = 1_000;

pub(super) fn impact(shelf: &Shelf, subject: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let start = find(shelf, subject)?;
    let graph = shelf.store.lineage_down(&start, DEEPEST, NODES_AT_MOST)?;
    let ways = Ways::through(&graph);
    let mut aliases: BTreeMap<(String, u32), Vec<String>> = BTreeMap::new();
    for model in models_in(&graph) {
        for version in shelf.store.model_versions(model).unwrap_or_default() {
            aliases.insert((version.name, version.version), version.aliases);
        }
    }
    let reached = (0..).zip(&graph.nodes).filter_map(|(ix, (node, _))| match node {
        LineageNode::ModelVersion { name, version } => {
            let aliases = aliases
                .get(&(name.clone(), *version))
                .cloned()
                .unwrap_or_default();
            Some((node, aliases, ways.to(&graph, ix)))
        }
        _ => None,
    });
    let reached: Vec<_> = reached.collect();
    let pipelines = pipelines_in(shelf, &graph);
    if terminal.is_json() {
        let models: Vec<Value> = reached
            .iter()
            .map(|(node, aliases, way)| json!({ "model": node.to_string(), "aliases": aliases, "way": way }))
            .collect();
        terminal.out_json(&json!({
            "subject": start.to_string(), "models": models, "pipelines": pipelines, "truncated": graph.truncated,
        }));
        return Ok(Exit::Done);
    }
    if reached.is_empty() {
        terminal.out(format!("no model depends on {start}"));
    } else {
        let rows: Vec<Vec<String>> = reached
            .iter()
            .map(|(node, aliases, way)| vec![node.to_string(), aliases.join(", "), way.join(" > ")])
            .collect();
        terminal.table(&["DEPENDS ON IT", "ALIASES", "BY WAY OF"], &[], &rows);
    }
    if !pipelines.is_empty() {
        let list: Vec<&str> = pipelines.iter().map(String::as_str).collect();
        terminal.note(format!("read by {}", list.join(", ")));
    }
    if graph.truncated {
        terminal.note("there is more than was looked at");
    }
    Ok(Exit::Done)
}

fn models_in(graph: &LineageGraph) -> BTreeSet<&str> {
    let names = graph.nodes.iter().filter_map(|(node, _)| match node {
        LineageNode::ModelVersion { name, .. } => Some(name.as_str()),
        _ => None,
    });
    names.collect()
}

/// Pipelines whose runs have a step in the graph.
fn pipelines_in(shelf: &Shelf, graph: &LineageGraph) -> BTreeSet<String> {
    let runs: BTreeSet<_> = graph
        .nodes
        .iter()
        .filter_map(|(node, _)| match node {
            LineageNode::Step { run, .. } => Some(run),
            _ => None,
        })
        .collect();
    let summaries = runs
        .into_iter()
        .filter_map(|run| shelf.store.run_summary(run).ok());
    summaries.map(|summary| summary.pipeline.to_string()).collect()
}

/// A shortest way to each node: the place it was first reached from.
struct Ways {
    from: BTreeMap<usize, usize>,
}

impl Ways {
    fn through(graph: &LineageGraph) -> Self {
        let distance = |ix: usize| graph.nodes.get(ix).map_or(u32::MAX, |(_, distance)| *distance);
        let mut from = BTreeMap::new();
        for edge in &graph.edges {
            if distance(edge.source).checked_add(1) == Some(distance(edge.target)) {
                from.entry(edge.target).or_insert(edge.source);
            }
        }
        Self { from }
    }

    /// Columns and steps between the start and a node; artifacts are left out, nobody knows them by name.
    fn to(&self, graph: &LineageGraph, ix: usize) -> Vec<String> {
        let mut way = Vec::new();
        let mut at = ix;
        while let Some(before) = self.from.get(&at) {
            at = *before;
            match graph.nodes.get(at) {
                Some((LineageNode::Step { instance, .. }, _)) => way.push(instance.clone()),
                Some((LineageNode::ArtifactColumn { column, .. }, _)) => way.push(column.clone()),
                _ => {}
            }
        }
        way.reverse();
        way.dedup();
        way
    }
}
