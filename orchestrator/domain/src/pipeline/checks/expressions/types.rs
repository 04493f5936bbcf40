//! Names that an expression can use at a place, and their types.

use super::Place;
use crate::diagnostic::Span;
use crate::expression::{Mention, Template, Type, TypeEnv};
use crate::pipeline::checks::{Finding, Scene, found, type_of};
use crate::pipeline::locate;
use crate::pipeline::reader::Node;
use crate::pipeline::spec::{Matrix, MatrixValues};
use crate::pipeline::wiring::Wired;
use serde_json::Value;
use std::collections::BTreeMap;
use trainyard_contract::ArtifactKind;
use trainyard_contract::finding::nearest;

/// Names an expression can begin with.
const ROOTS: [&str; 13] = [
    "params",
    "vars",
    "environment",
    "trigger",
    "event",
    "steps",
    "matrix",
    "item",
    "item_index",
    "iteration",
    "previous",
    "outputs",
    "metrics",
];

/// Types of everything an expression can name.
pub(super) struct Types {
    params: BTreeMap<String, Type>,
    /// Joined over all environments; `None` where one of them does not set it.
    vars: BTreeMap<String, Option<Type>>,
    environments: Vec<String>,
}

impl Types {
    pub(super) fn new(scene: &Scene<'_>) -> Self {
        let draft = scene.draft;
        let params = draft
            .spec
            .params
            .iter()
            .map(|(name, param)| (name.clone(), type_of(param).unwrap_or(Type::Any)))
            .collect();
        let environments: Vec<String> = scene.environments().into_iter().flatten().collect();
        let mut vars: BTreeMap<String, Option<Type>> = BTreeMap::new();
        let all: Vec<BTreeMap<&String, &Value>> = environments
            .iter()
            .map(|name| {
                let own = draft
                    .spec
                    .environments
                    .get(name)
                    .into_iter()
                    .flat_map(|environment| &environment.vars);
                let shared = scene
                    .project
                    .and_then(|project| project.environments.get(name))
                    .into_iter()
                    .flat_map(|environment| &environment.vars);
                shared.chain(own).collect()
            })
            .collect();
        for name in all.iter().flat_map(BTreeMap::keys) {
            let mut of: Option<Type> = None;
            let mut everywhere = true;
            for environment in &all {
                match environment.get(*name) {
                    Some(value) => {
                        let value = Type::of(value);
                        of = Some(of.map_or_else(|| value.clone(), |of| of.join(&value)));
                    }
                    None => everywhere = false,
                }
            }
            vars.insert((*name).clone(), of.filter(|_| everywhere));
        }
        Self {
            params,
            vars,
            environments,
        }
    }

    /// What is wrong with a name that an expression mentions.
    pub(super) fn unknown(
        &self,
        scene: &Scene<'_>,
        wired: &[Wired],
        node: &Node,
        mention: &Mention,
        place: Place<'_>,
    ) -> Option<Finding> {
        let span = locate::of_range(scene.sources, node, mention.at.clone());
        let root = mention.root.as_str();
        let with_near =
            |finding: Finding, word: &str, names: Vec<&str>, otherwise: String| match nearest(word, names) {
                Some(near) => finding.did_you_mean(near),
                None => finding.help(otherwise),
            };
        if !ROOTS.contains(&root) {
            let finding =
                found("S02/unknown-name", span, format!("there is no name `{root}`")).label("not known");
            let draft = scene.draft;
            let inside = if draft.spec.params.contains_key(root) {
                Some(format!("params.{root}"))
            } else if draft.spec.steps.contains_key(root) {
                Some(format!("steps.{root}"))
            } else if self.vars.contains_key(root) {
                Some(format!("vars.{root}"))
            } else {
                None
            };
            // Where a name stands alone its place is the root's.
            let at_root = mention.name.is_none();
            return Some(match inside {
                Some(full) if at_root => finding.did_you_mean(&full),
                Some(full) => finding.help(format!("did you mean `{full}`?")),
                None => {
                    let near = nearest(root, ROOTS).map(str::to_owned);
                    match near {
                        Some(near) => {
                            let span = locate::of_word(scene.sources, node, root).unwrap_or(span);
                            let mut finding = finding;
                            finding.0.primary.span = span;
                            finding.did_you_mean(&near)
                        }
                        None => finding.help(format!(
                            "names are {}; texts stand in quotes: '{root}'",
                            ROOTS.join(", ")
                        )),
                    }
                }
            });
        }
        match root {
            "steps" if !place.has_steps => Some(
                found("S03/type", span, format!("{} cannot use results of steps", place.what))
                    .label("known only later")
                    .help("use params, vars, environment or trigger"),
            ),
            "event" if !place.has_event => Some(
                found("S02/unknown-name", span, "`event` exists only in `params` of a trigger")
                    .label("not known here")
                    .help("hand it on: `params: {NAME: \"${{ event.body.NAME }}\"}` in the trigger, then `params.NAME`"),
            ),
            "matrix" if place.step.is_none_or(|step| self.axes(scene, step).is_none()) => Some(
                found("S02/unknown-name", span, "`matrix` exists only in a step with a matrix")
                    .label("no matrix here")
                    .help("add `matrix:` to the step"),
            ),
            "iteration" | "previous" if !self.repeats(scene, place) => Some(
                found("S02/unknown-name", span, format!("`{root}` exists only in a step with `repeat`"))
                    .label("no iterations here")
                    .help("add `repeat:` to the step, or use it in its `with`, `env` or `until`"),
            ),
            "outputs" | "metrics" if !place.has_results => Some(
                found("S02/unknown-name", span, format!("`{root}` exists only in `until` of a step with `repeat`"))
                    .label("not known here")
                    .help(format!("write `steps.NAME.{root}`")),
            ),
            "outputs" => self.unknown_result(scene, wired, node, mention, place),
            "item" | "item_index" if !self.has_item(scene, place) => {
                let finding = found("S02/unknown-name", span, format!("`{root}` exists only in a step with `for_each`"));
                let each = place.step.and_then(|step| scene.draft.spec.steps.get_index(step)?.1.for_each.as_ref());
                Some(match each {
                    None => finding.label("no items here").help("add `for_each:` to the step"),
                    Some(_) => finding
                        .label("the step as a whole")
                        .help(format!("{} is evaluated once, for all items; use it in `with` or `env`", place.what)),
                })
            }
            _ => {
                let name = mention.name.as_deref()?;
                match root {
                    "params" if !self.params.contains_key(name) => {
                        let finding =
                            found("S02/unknown-param", span, format!("there is no param `{name}`")).label("not declared");
                        let names = self.params.keys().map(String::as_str).collect();
                        Some(with_near(finding, name, names, "declare it under `params:`".to_owned()))
                    }
                    "vars" if self.vars.get(name).is_none_or(Option::is_none) => Some(self.unknown_var(scene, span, name)),
                    "matrix" => {
                        let axes = place.step.and_then(|step| self.axes(scene, step)).unwrap_or_default();
                        if axes.contains(&name) {
                            return None;
                        }
                        let finding = found("S02/unknown-name", span, format!("the matrix has no axis `{name}`"))
                            .label("no such axis");
                        let otherwise = format!("its axes are {}", axes.join(", "));
                        Some(with_near(finding, name, axes, otherwise))
                    }
                    "steps" => self.unknown_step(scene, wired, node, mention, place),
                    _ => None,
                }
            }
        }
    }

    fn unknown_var(&self, scene: &Scene<'_>, span: Span, name: &str) -> Finding {
        if self.vars.contains_key(name) {
            let lacking: Vec<&str> = self
                .environments
                .iter()
                .filter(|environment| {
                    let own = scene.draft.spec.environments.get(*environment);
                    let shared = scene
                        .project
                        .and_then(|project| project.environments.get(*environment));
                    !own.is_some_and(|own| own.vars.contains_key(name))
                        && !shared.is_some_and(|shared| shared.vars.contains_key(name))
                })
                .map(String::as_str)
                .collect();
            return found(
                "S02/unknown-var",
                span,
                format!("`{name}` is not set in {}", lacking.join(", ")),
            )
            .label("not set everywhere")
            .help(format!("add `{name}` to `vars` of {}", lacking.join(", ")));
        }
        let finding =
            found("S02/unknown-var", span, format!("no environment sets `{name}`")).label("not set");
        match nearest(name, self.vars.keys().map(String::as_str)) {
            Some(near) => finding.did_you_mean(near),
            None => finding.help("set it in every environment: `environments: {dev: {vars: {…}}}`"),
        }
    }

    fn unknown_step(
        &self,
        scene: &Scene<'_>,
        wired: &[Wired],
        node: &Node,
        mention: &Mention,
        place: Place<'_>,
    ) -> Option<Finding> {
        let name = mention.name.as_deref()?;
        let steps = &scene.draft.spec.steps;
        let span = locate::of_range(scene.sources, node, mention.at.clone());
        let Some(index) = steps.get_index_of(name) else {
            let finding =
                found("S02/unknown-step", span, format!("there is no step `{name}`")).label("no such step");
            return Some(match nearest(name, steps.keys().map(String::as_str)) {
                Some(near) => finding.did_you_mean(near),
                None => finding.help("declare it under `steps:`"),
            });
        };
        if place.step == Some(index) {
            return Some(
                found("S04/cycle", span, format!("`{name}` uses its own result"))
                    .label("itself")
                    .help("use an earlier step"),
            );
        }
        let output = mention.output.as_deref()?;
        let known = wired.get(index).map(|step| &step.outputs)?;
        if known.contains_key(output) || (known.is_empty() && wired[index].kind.is_none()) {
            return None;
        }
        let span = locate::of_range(
            scene.sources,
            node,
            mention.output_at.clone().unwrap_or(mention.at.clone()),
        );
        let finding = found(
            "S02/unknown-output",
            span,
            format!("step `{name}` has no output `{output}`"),
        )
        .label("no such output");
        Some(match nearest(output, known.keys().map(String::as_str)) {
            Some(near) => finding.did_you_mean(near),
            None if known.is_empty() => finding.help(format!("declare it under `outputs:` of `{name}`")),
            None => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                finding.help(format!("outputs of `{name}` are {}", names.join(", ")))
            }
        })
    }

    fn unknown_result(
        &self,
        scene: &Scene<'_>,
        wired: &[Wired],
        node: &Node,
        mention: &Mention,
        place: Place<'_>,
    ) -> Option<Finding> {
        let (output, index) = (mention.name.as_deref()?, place.step?);
        let (name, _) = scene.draft.spec.steps.get_index(index)?;
        let known = &wired.get(index)?.outputs;
        if known.contains_key(output) {
            return None;
        }
        let span = locate::of_range(scene.sources, node, mention.at.clone());
        let finding = found(
            "S02/unknown-output",
            span,
            format!("step `{name}` has no output `{output}`"),
        )
        .label("no such output");
        Some(match nearest(output, known.keys().map(String::as_str)) {
            Some(near) => finding.did_you_mean(near),
            None => finding.help(format!("declare it under `outputs:` of `{name}`")),
        })
    }

    fn repeats(&self, scene: &Scene<'_>, place: Place<'_>) -> bool {
        let step = place.step.and_then(|step| scene.draft.spec.steps.get_index(step));
        place.has_item && step.is_some_and(|(_, step)| step.repeat.is_some())
    }

    fn has_item(&self, scene: &Scene<'_>, place: Place<'_>) -> bool {
        let step = place.step.and_then(|step| scene.draft.spec.steps.get_index(step));
        place.has_item && step.is_some_and(|(_, step)| step.for_each.is_some())
    }

    fn axes<'d>(&self, scene: &Scene<'d>, step: usize) -> Option<Vec<&'d str>> {
        let (_, step) = scene.draft.spec.steps.get_index(step)?;
        step.matrix
            .as_ref()
            .map(|matrix| matrix.axes.keys().map(String::as_str).collect())
    }

    /// Types of the names that a template mentions; only those, since a pipeline may have ten
    /// thousand steps.
    pub(super) fn env(
        &self,
        scene: &Scene<'_>,
        template: &Template,
        place: Place<'_>,
        wired: &[Wired],
    ) -> TypeEnv {
        let step = place.step;
        let references = template.references();
        let mut env = TypeEnv::default()
            .with("environment", Type::map([("name", Type::String)]))
            .with("event", Type::Any)
            .with(
                "trigger",
                Type::map([
                    ("type", Type::String),
                    ("logical_date", Type::Date),
                    ("scheduled_at", Type::Timestamp),
                    ("interval_start", Type::Timestamp),
                    ("interval_end", Type::Timestamp),
                    ("event", Type::Any),
                    ("body", Type::Any),
                    ("name", Type::String),
                ]),
            )
            .with("params", Type::Map(self.params.clone()))
            .with(
                "vars",
                Type::Map(
                    self.vars
                        .iter()
                        .map(|(name, of)| (name.clone(), of.clone().unwrap_or(Type::Any)))
                        .collect(),
                ),
            );
        if let Some(step) = step
            && let Some((_, spec)) = scene.draft.spec.steps.get_index(step)
            && let Some(matrix) = &spec.matrix
        {
            env = env.with("matrix", Type::Map(self.matrix(scene, matrix)));
        }
        if let Some(step) = step
            && let Some((_, spec)) = scene.draft.spec.steps.get_index(step)
            && spec.for_each.is_some()
        {
            env = env.with("item", Type::Any).with("item_index", Type::Integer);
        }
        if self.repeats(scene, place) {
            env = env.with("iteration", Type::Integer).with("previous", Type::Any);
        }
        let outputs_of = |index: usize| {
            let outputs = wired.get(index)?.outputs.iter();
            let types = outputs.map(|(name, output)| (name.clone(), of_output(output.kind)));
            Some(Type::Map(types.collect()))
        };
        if let (true, Some(step)) = (place.has_results, step) {
            env = env
                .with("outputs", outputs_of(step).unwrap_or(Type::Any))
                .with("metrics", Type::MapOf(Box::new(Type::Float)));
        }
        let steps = references.steps().into_keys().filter_map(|name| {
            let (index, _, spec) = scene.draft.spec.steps.get_full(name)?;
            let outputs = outputs_of(index);
            let cell = Type::map([
                ("status", Type::String),
                match spec.for_each {
                    Some(_) => ("item", Type::Any),
                    None => ("matrix", Type::MapOf(Box::new(Type::Any))),
                },
                ("metrics", Type::MapOf(Box::new(Type::Float))),
                ("outputs", outputs.unwrap_or(Type::Any)),
            ]);
            Some((
                name.to_owned(),
                if spec.matrix.is_some() || spec.for_each.is_some() {
                    Type::list(cell)
                } else {
                    cell
                },
            ))
        });
        let steps = Type::Map(steps.collect());
        env.with("steps", steps)
    }

    fn matrix(&self, scene: &Scene<'_>, matrix: &Matrix) -> BTreeMap<String, Type> {
        matrix
            .axes
            .iter()
            .map(|(name, values)| {
                let of = match values {
                    MatrixValues::List(values) => values
                        .iter()
                        .map(|value| match value.as_str() {
                            Some(text) if Template::is_in(text) => Type::Any,
                            _ => Type::of(value),
                        })
                        .reduce(|one, other| one.join(&other))
                        .unwrap_or(Type::Any),
                    MatrixValues::Expression(text) => Template::parse(text)
                        .ok()
                        .and_then(|template| {
                            let env = self.env(scene, &template, Place::NOWHERE, &[]);
                            template.check(&env).ok()
                        })
                        .map_or(Type::Any, |of| match of {
                            Type::List(of) => *of,
                            _ => Type::Any,
                        }),
                };
                (name.clone(), of)
            })
            .collect()
    }
}

fn of_output(kind: ArtifactKind) -> Type {
    match kind {
        ArtifactKind::Boolean => Type::Boolean,
        ArtifactKind::Number => Type::Float,
        ArtifactKind::String => Type::String,
        ArtifactKind::List => Type::list(Type::Any),
        _ => Type::Any,
    }
}
