//! Values that steps give to params of a library's kind or of a pipeline: of the declared type.

use super::types::Types;
use super::{Place, each};
use crate::expression::{Template, Type};
use crate::pipeline::checks::{Scene, declaration, found};
use crate::pipeline::wiring::Wired;
use std::collections::BTreeSet;

/// Whether a step is what a using step became, or a part of it.
pub(super) fn is_of(step: &str, owner: &str) -> bool {
    step.strip_prefix(owner)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Checks all values; the using steps with faulty ones.
pub(super) fn run(scene: &mut Scene<'_>, types: &Types, wired: &[Wired]) -> BTreeSet<String> {
    let draft = scene.draft;
    let mut faulty = BTreeSet::new();
    for argument in &draft.expansion.arguments {
        let step = draft
            .spec
            .steps
            .keys()
            .position(|step| is_of(step, &argument.owner));
        let place = Place {
            step,
            has_steps: true,
            has_event: false,
            has_item: argument.param.is_some(),
            has_results: false,
            what: "a use",
        };
        let before = scene.out.len();
        each(scene, types, wired, &argument.node, place, &mut |_, _, _| {});
        if scene.out.len() > before {
            faulty.insert(argument.owner.clone());
            continue;
        }
        let Some(template) = argument.node.text().and_then(|text| Template::parse(text).ok()) else {
            continue;
        };
        let env = types.env(scene, &template, place, wired);
        let Ok(of) = template.check(&env) else { continue };
        let Some(param) = &argument.param else {
            if !matches!(of, Type::Boolean | Type::Any) {
                let message = format!("`if` has to be a boolean, and this is {of}");
                scene.add(
                    found("S03/not-boolean", argument.node.span, message)
                        .label("not a boolean")
                        .help("compare it: `… == …`"),
                );
                faulty.insert(argument.owner.clone());
            }
            continue;
        };
        if of.fits(&argument.of) {
            continue;
        }
        let message = format!(
            "`{}` of `{}` is {}, and this is {of}",
            argument.name,
            argument.owner,
            declaration(param)
        );
        scene.add(
            found("S03/type", argument.node.span, message)
                .label("another type")
                .also(argument.declared, "declared here"),
        );
        faulty.insert(argument.owner.clone());
    }
    faulty
}
