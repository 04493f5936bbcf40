//! Steps that wait for each other.
//!
//! Why: none of them could ever start. The finding shows the whole way round.
//!
//! ```yaml
//! a: {run: "true", needs: [c]}
//! b: {run: "true", needs: [a]}
//! c: {run: "true", needs: [b]}      # S04/cycle: a → c → b → a
//! ```

use super::{Scene, found};
use crate::diagnostic::Span;
use crate::pipeline::locate;
use crate::pipeline::wiring::{Source, Wired, order};

/// An order in which each step comes after what it waits for; `None` if there is none.
pub(super) fn run(scene: &mut Scene<'_>, steps: &[Wired]) -> Option<Vec<usize>> {
    let cycle = match order(steps) {
        Ok(order) => return Some(order),
        Err(cycle) => cycle,
    };
    // Begin with the step that is written first, so that the finding does not depend on the walk.
    let first = cycle
        .iter()
        .enumerate()
        .min_by_key(|(_, step)| **step)
        .map_or(0, |(at, _)| at);
    let cycle: Vec<usize> = cycle[first..].iter().chain(&cycle[..first]).copied().collect();
    let names: Vec<&str> = cycle.iter().map(|step| name(scene, *step)).collect();
    let mut way = names.clone();
    way.push(names[0]);
    let shown = if way.len() > 12 {
        format!(
            "{} → … {} more … → {}",
            way[..6].join(" → "),
            way.len() - 9,
            way[way.len() - 3..].join(" → ")
        )
    } else {
        way.join(" → ")
    };
    let edges: Vec<Option<Span>> = (0..cycle.len())
        .map(|at| edge(scene, steps, cycle[at], cycle[(at + 1) % cycle.len()]))
        .collect();
    let span = edges[0]
        .or_else(|| scene.draft.step_entry(cycle[0]).map(|entry| entry.key_span))
        .unwrap_or(scene.draft.root.span);
    let message = if cycle.len() == 1 {
        format!("`{}` waits for itself", names[0])
    } else {
        format!("{} steps wait for each other: {shown}", cycle.len())
    };
    let second = names.get(1).copied().unwrap_or(names[0]);
    let mut finding = found("S04/cycle", span, message).label(format!("`{}` waits for `{second}`", names[0]));
    for (at, edge) in edges.iter().enumerate().skip(1).take(8) {
        if let Some(span) = edge {
            finding = finding.also(
                *span,
                format!("`{}` waits for `{}`", names[at], names[(at + 1) % names.len()]),
            );
        }
    }
    scene.add(finding.help("take one of these edges out"));
    None
}

fn name<'d>(scene: &Scene<'d>, step: usize) -> &'d str {
    scene
        .draft
        .spec
        .steps
        .get_index(step)
        .map_or("?", |(name, _)| name.as_str())
}

/// Where a step says that it waits for another.
fn edge(scene: &Scene<'_>, steps: &[Wired], from: usize, to: usize) -> Option<Span> {
    let entry = scene.draft.step_entry(from)?;
    let target = name(scene, to);
    for (input, source) in &steps[from].inputs {
        if matches!(source, Source::Output { step, .. } if *step == to) {
            let node = entry.value.get("inputs")?.get(input)?;
            return Some(locate::of_word(scene.sources, node, target).unwrap_or(node.span));
        }
    }
    if let Some(item) = entry
        .value
        .get("needs")
        .into_iter()
        .flat_map(|needs| needs.items())
        .find(|item| item.text() == Some(target))
    {
        return Some(item.span);
    }
    let mut place = None;
    entry
        .value
        .each_text(&trainyard_contract::Path::root(), &mut |_, node, text| {
            if place.is_none() && text.contains("${{") && text.contains("steps") {
                place = locate::of_word(scene.sources, node, target);
            }
        });
    place
}
