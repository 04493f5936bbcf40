//! Pools: the names that steps and defaults use.

use super::near;
use crate::diagnostic::{Diagnostic, Span};
use crate::pipeline::checks::{Finding, Scene, found};
use crate::pipeline::reader::Node;
use crate::pipeline::spec::Project;
use trainyard_contract::Path;

pub(super) fn pools(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    let of_steps = draft.spec.steps.iter().filter_map(|(name, step)| {
        let at = Path::root().key("steps").key(name).key("pool");
        Some((at, step.pool.as_deref()?))
    });
    let at = Path::root().key("defaults").key("pool");
    let of_defaults = draft.spec.defaults.pool.as_deref().map(|pool| (at, pool));
    for (at, pool) in of_steps.chain(of_defaults) {
        let span = draft.span(scene.sources, &at);
        if let Some(finding) = unknown(scene.project, pool, span) {
            scene.add(finding);
        }
    }
}

/// The project's own default.
pub(in crate::pipeline::checks) fn of_project(project: &Project, root: &Node) -> Option<Diagnostic> {
    let node = root.get("defaults")?.get("pool")?;
    let finding = unknown(Some(project), project.defaults.pool.as_deref()?, node.span)?;
    Some(finding.done())
}

fn unknown(project: Option<&Project>, pool: &str, span: Span) -> Option<Finding> {
    let declared = || project.into_iter().flat_map(|project| project.pools.keys());
    if declared().any(|known| known == pool) {
        return None;
    }
    let finding = found("S02/unknown-pool", span, format!("there is no pool `{pool}`")).label("no such pool");
    Some(near(
        finding,
        pool,
        declared().map(String::as_str),
        "declare it in `trainyard.yaml`: `pools: {NAME: {slots: 4}}`",
    ))
}
