//! Which instances of a run a selection names.

use super::definition::{Instance, InstanceIx, RunDefinition};
use std::collections::{BTreeSet, VecDeque};
use trainyard_contract::finding::nearest;

/// Why a selection selects nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectError {
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// What was perhaps meant.
    pub help: Option<String>,
}

impl SelectError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The instances an expression names: `step`, `+step` (and what it needs), `step+` (and what needs
/// it), `tag:x`; several separated by commas. `use` is all steps of a pipeline that is used, `use.step`
/// one of them.
///
/// # Errors
/// If a part names nothing, or nothing is named at all.
pub fn select(text: &str, definition: &RunDefinition) -> Result<BTreeSet<InstanceIx>, SelectError> {
    named(text, definition, |part| {
        part.strip_prefix("state:").map(|_| {
            let fault = SelectError::new("a run that has not begun has no states to select by");
            Err(fault.help("`trainyard runs retry --select state:failed` chooses in a run that is over"))
        })
    })
}

/// What an expression names, with words of the caller's own tried first.
pub(super) fn named(
    text: &str,
    definition: &RunDefinition,
    mut own: impl FnMut(&str) -> Option<Result<BTreeSet<InstanceIx>, SelectError>>,
) -> Result<BTreeSet<InstanceIx>, SelectError> {
    let mut selected = BTreeSet::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(found) = own(part) {
            selected.extend(found?);
            continue;
        }
        if let Some(tag) = part.strip_prefix("tag:") {
            let tagged = matching(definition, |instance| instance.tags.iter().any(|own| own == tag));
            if tagged.is_empty() {
                return Err(SelectError::new(format!("no step has the tag `{tag}`")));
            }
            selected.extend(tagged);
            continue;
        }
        let (name, up) = part.strip_prefix('+').map_or((part, false), |name| (name, true));
        let (name, down) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
        let named = matching(definition, |instance| {
            instance.step.as_str() == name || instance.name == name || instance.is_within(name)
        });
        if named.is_empty() {
            let fault = SelectError::new(format!("there is no step `{name}` to select"));
            let steps = definition.instances.iter().map(|instance| instance.step.as_str());
            let uses = steps.clone().flat_map(|step| {
                let ends = step.match_indices('.').map(|(at, _)| at);
                ends.map(|end| &step[..end])
            });
            return Err(match nearest(name, steps.chain(uses)) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault,
            });
        }
        if up {
            selected.extend(reach(&named, |ix| upstream(definition, ix)));
        }
        if down {
            selected.extend(reach(&named, |ix| downstream(definition, ix)));
        }
        selected.extend(named);
    }
    if selected.is_empty() {
        return Err(SelectError::new("the selection names no step"));
    }
    Ok(selected)
}

fn matching(definition: &RunDefinition, wanted: impl Fn(&Instance) -> bool) -> BTreeSet<InstanceIx> {
    (0..)
        .zip(&definition.instances)
        .filter(|(_, instance)| wanted(instance))
        .map(|(ix, _)| ix)
        .collect()
}

fn upstream(definition: &RunDefinition, ix: InstanceIx) -> Vec<InstanceIx> {
    definition
        .instances
        .get(ix as usize)
        .map_or_else(Vec::new, |i| i.upstream.iter().map(|u| u.instance).collect())
}

fn downstream(definition: &RunDefinition, ix: InstanceIx) -> Vec<InstanceIx> {
    matching(definition, |instance| {
        instance.upstream.iter().any(|u| u.instance == ix)
    })
    .into_iter()
    .collect()
}

fn reach(from: &BTreeSet<InstanceIx>, next: impl Fn(InstanceIx) -> Vec<InstanceIx>) -> BTreeSet<InstanceIx> {
    let mut seen = from.clone();
    let mut queue: VecDeque<InstanceIx> = from.iter().copied().collect();
    while let Some(ix) = queue.pop_front() {
        for other in next(ix) {
            if seen.insert(other) {
                queue.push_back(other);
            }
        }
    }
    seen
}
