//! Pipelines that start each other.
//!
//! Why: pipeline A's output starts B, whose alert starts A: each run causes the next without end.
//! `cooldown` and `max_runs` limit that, so a circle through a trigger that has one of them is
//! accepted.
//!
//! ```yaml
//! # a.yaml
//! triggers: {fresh: {type: data, datasets: [b.make.table]}}
//! # b.yaml
//! triggers: {fresh: {type: data, datasets: [a.make.table]}}     # S04/trigger-cycle
//! ```

use super::found;
use crate::diagnostic::{Diagnostic, Sources, Span};
use crate::pipeline::draft::Draft;
use crate::pipeline::spec::Trigger;
use std::collections::BTreeMap;
use trainyard_contract::Path;

/// `from` starts `to`.
struct Start {
    from: usize,
    to: usize,
    place: Span,
}

pub(super) fn run(sources: &Sources, drafts: &[Draft]) -> Vec<Diagnostic> {
    let by_name: BTreeMap<&str, usize> = drafts
        .iter()
        .enumerate()
        .map(|(index, draft)| (draft.spec.name.as_str(), index))
        .collect();
    let mut starts = Vec::new();
    for (to, draft) in drafts.iter().enumerate() {
        for (name, trigger) in &draft.spec.triggers {
            let at = Path::root().key("triggers").key(name);
            for (place, pipeline) in sources_of(trigger, &at) {
                if let Some(from) = by_name.get(pipeline) {
                    let place = draft.span(sources, &place);
                    starts.push(Start {
                        from: *from,
                        to,
                        place,
                    });
                }
            }
        }
    }
    cycles(drafts, &starts)
}

/// Pipelines that start this one without limit, and where that is written.
fn sources_of<'t>(trigger: &'t Trigger, at: &Path) -> Vec<(Path, &'t str)> {
    let (key, named) = match trigger {
        Trigger::Data(data) if data.max_runs.is_none() => ("datasets", &data.datasets),
        Trigger::Alert(alert) if alert.cooldown.is_none() && alert.max_runs.is_none() => {
            ("alerts", &alert.alerts)
        }
        Trigger::Pipeline(of) if of.cooldown.is_none() && of.max_runs.is_none() => {
            return vec![(at.key("pipeline"), of.pipeline.as_str())];
        }
        _ => return Vec::new(),
    };
    named
        .iter()
        .enumerate()
        .filter_map(|(index, text)| {
            let (pipeline, _) = text.split_once('.')?;
            Some((at.key(key).index(index), pipeline))
        })
        .collect()
}

fn cycles(drafts: &[Draft], starts: &[Start]) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut reported = vec![false; drafts.len()];
    for first in 0..drafts.len() {
        if reported[first] {
            continue;
        }
        // The shortest way from `first` back to itself, breadth first.
        let mut reached: BTreeMap<usize, &Start> = BTreeMap::new();
        let mut frontier = vec![first];
        while !frontier.is_empty() && !reached.contains_key(&first) {
            let mut next = Vec::new();
            for start in starts.iter().filter(|start| frontier.contains(&start.from)) {
                if let std::collections::btree_map::Entry::Vacant(place) = reached.entry(start.to) {
                    place.insert(start);
                    next.push(start.to);
                }
            }
            frontier = next;
        }
        let Some(last) = reached.get(&first) else { continue };
        let mut way: Vec<&Start> = vec![last];
        while let Some(earliest) = way.last().filter(|start| start.from != first) {
            match reached.get(&earliest.from) {
                Some(start) if way.len() <= drafts.len() => way.push(start),
                _ => break,
            }
        }
        way.reverse();
        let mut names: Vec<&str> = way
            .iter()
            .map(|start| drafts[start.from].spec.name.as_str())
            .collect();
        names.push(&drafts[first].spec.name);
        for start in &way {
            reported[start.from] = true;
        }
        let message = format!("pipelines start each other without end: {}", names.join(" → "));
        let place = way.last().map_or(last.place, |start| start.place);
        let mut finding = found("S04/trigger-cycle", place, message).label("closes the circle");
        for start in &way[..way.len() - 1] {
            finding = finding.also(
                start.place,
                format!(
                    "`{}` starts `{}`",
                    drafts[start.from].spec.name, drafts[start.to].spec.name
                ),
            );
        }
        findings.push(
            finding
                .help("break the circle, or limit it by `max_runs` of one of these triggers")
                .done(),
        );
    }
    findings
}
