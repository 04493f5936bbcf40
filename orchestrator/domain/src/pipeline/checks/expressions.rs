//! Expressions: syntax, names, types; `if` is boolean; column expressions' params exist.
//!
//! Why: what an expression means is known before anything runs, so a wrong name or type costs
//! seconds, not hours.
//!
//! ```yaml
//! if: "${{ params.deploy == 'yes' && }}"      # S03/syntax
//! with: {seed: "${{ params.sead }}"}          # S02/unknown-param
//! if: "${{ params.run_date }}"                # S03/not-boolean
//! ```

use super::{Finding, Scene, found, type_of};
use crate::diagnostic::{Fix, Span};
use crate::expression::{ErrorKind, ExpressionError, Mention, Template, Type, TypeEnv};
use crate::pipeline::locate;
use crate::pipeline::reader::Node;
use crate::pipeline::spec::MatrixValues;
use crate::pipeline::values;
use crate::pipeline::wiring::Wired;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::finding::nearest;
use trainyard_contract::{ArtifactKind, Path};

/// Names an expression can begin with.
const ROOTS: [&str; 7] = [
    "params",
    "vars",
    "environment",
    "trigger",
    "event",
    "steps",
    "matrix",
];

/// Where an expression stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// Index of its step, for `steps` and `matrix`.
    step: Option<usize>,
    /// Whether results of steps exist there.
    has_steps: bool,
    has_event: bool,
    what: &'a str,
}

/// Checks all expressions and adds the order edges that they mean.
pub(super) fn run(scene: &mut Scene<'_>, wired: &mut [Wired]) {
    let types = Types::new(scene);
    let root = &scene.draft.root;
    for entry in root.entries() {
        match &*entry.key {
            "steps" => {
                for (index, step) in entry.value.entries().iter().enumerate() {
                    self::step(scene, &types, wired, index, &step.value);
                }
            }
            "params" => {
                for param in entry.value.entries() {
                    if let Some(default) = param.value.get("default") {
                        let place = Place {
                            step: None,
                            has_steps: false,
                            has_event: false,
                            what: "a default",
                        };
                        each(scene, &types, wired, default, place, &mut |scene, _, mention| {
                            if mention.root == "params" {
                                scene_error_params(scene, default, mention);
                            }
                        });
                    }
                }
            }
            "triggers" => {
                let place = Place {
                    step: None,
                    has_steps: false,
                    has_event: true,
                    what: "a trigger",
                };
                each(scene, &types, wired, &entry.value, place, &mut |_, _, _| {});
            }
            "on_failure" | "finally" => {
                let place = Place {
                    step: None,
                    has_steps: true,
                    has_event: false,
                    what: "a hook",
                };
                each(scene, &types, wired, &entry.value, place, &mut |_, _, _| {});
            }
            "datasets" | "concurrency" | "alerts" => {
                let place = Place {
                    step: None,
                    has_steps: false,
                    has_event: false,
                    what: "this place",
                };
                each(scene, &types, wired, &entry.value, place, &mut |_, _, _| {});
            }
            _ => {}
        }
    }
}

fn scene_error_params(scene: &mut Scene<'_>, node: &Node, mention: &Mention) {
    let span = locate::of_range(scene.sources, node, mention.at.clone());
    scene.add(
        found("S03/type", span, "a default cannot use other params")
            .label("another param")
            .help("use `trigger` or `environment`, or compute it in the step"),
    );
}

fn step(scene: &mut Scene<'_>, types: &Types, wired: &mut [Wired], index: usize, node: &Node) {
    for entry in node.entries() {
        let in_hook = &*entry.key == "on_failure";
        let place = Place {
            step: Some(index),
            has_steps: true,
            has_event: false,
            what: "a step",
        };
        match &*entry.key {
            "if" => condition(scene, types, wired, index, &entry.value),
            "matrix" => {
                let place = Place {
                    step: None,
                    has_steps: false,
                    what: "`matrix`",
                    ..place
                };
                each(scene, types, wired, &entry.value, place, &mut |_, _, _| {});
                axes(scene, types, index, &entry.value);
            }
            _ => {
                let mut edges = BTreeSet::new();
                each(
                    scene,
                    types,
                    wired,
                    &entry.value,
                    place,
                    &mut |scene, _, mention| {
                        if mention.root == "steps"
                            && let Some(name) = &mention.name
                            && let Some(from) = scene.draft.spec.steps.get_index_of(name)
                        {
                            edges.insert(from);
                        }
                    },
                );
                if !in_hook {
                    wired[index].order.extend(edges);
                }
            }
        }
    }
    columns(scene, types, wired, index, node);
}

/// An expression for an axis has to give a list, before the run.
fn axes(scene: &mut Scene<'_>, types: &Types, index: usize, node: &Node) {
    let Some(matrix) = scene
        .draft
        .spec
        .steps
        .get_index(index)
        .and_then(|(_, step)| step.matrix.as_ref())
    else {
        return;
    };
    for (name, values) in &matrix.axes {
        let Some(value) = node.get(name) else { continue };
        let MatrixValues::Expression(text) = values else {
            continue;
        };
        let Ok(template) = Template::parse(text) else {
            continue;
        };
        if !Template::is_in(text) {
            scene.add(
                found(
                    "S01/wrong-type",
                    value.span,
                    format!("the axis `{name}` has to be a list, or an expression that gives one"),
                )
                .label("one value")
                .help(format!("write a list: [{text}]")),
            );
            continue;
        }
        let env = types.env(scene, &template, None, &[]);
        if let Ok(of) = template.check(&env)
            && !matches!(of, Type::List(_) | Type::Any)
        {
            scene.add(
                found(
                    "S03/type",
                    value.span,
                    format!("the axis `{name}` needs a list, and this is {of}"),
                )
                .label("not a list")
                .help("use a param of type list[…]"),
            );
        }
    }
}

fn condition(scene: &mut Scene<'_>, types: &Types, wired: &mut [Wired], index: usize, node: &Node) {
    let Some(text) = node.text() else { return };
    if !Template::is_in(text) {
        let finding = found(
            "S03/not-boolean",
            node.span,
            format!("`if` is the text {text:?}, not a boolean expression"),
        )
        .label("a text");
        let mut finding = match text.trim() {
            "true" | "false" => finding.help(format!("remove the quotes: {}", text.trim())),
            _ => finding.help(format!("write \"${{{{ {} }}}}\"", text.trim())),
        };
        finding.0.fix = Some(Fix {
            span: node.span,
            replacement: match text.trim() {
                word @ ("true" | "false") => word.to_owned(),
                text => format!("{:?}", format!("${{{{ {text} }}}}")),
            },
        });
        scene.add(finding);
        return;
    }
    let place = Place {
        step: Some(index),
        has_steps: true,
        has_event: false,
        what: "`if`",
    };
    let before = scene.out.len();
    let mut edges = BTreeSet::new();
    each(scene, types, wired, node, place, &mut |scene, _, mention| {
        if let ("steps", Some(name)) = (mention.root.as_str(), &mention.name)
            && let Some(from) = scene.draft.spec.steps.get_index_of(name)
        {
            edges.insert(from);
        }
    });
    wired[index].order.extend(edges);
    if scene.out.len() > before {
        return;
    }
    let Ok(template) = Template::parse(text) else {
        return;
    };
    let env = types.env(scene, &template, Some(index), wired);
    if let Ok(of) = template.check(&env)
        && !matches!(of, Type::Boolean | Type::Any)
    {
        let finding = found(
            "S03/not-boolean",
            node.span,
            format!("`if` has to be a boolean, and this is {of}"),
        )
        .label("not a boolean");
        scene.add(if template.single().is_none() {
            finding.help("put the whole condition inside one `${{ … }}`")
        } else {
            finding.help("compare it: `… == …`")
        });
    }
}

type Visit<'v> = dyn FnMut(&mut Scene<'_>, &Node, &Mention) + 'v;

/// Checks every expression below a node.
fn each(
    scene: &mut Scene<'_>,
    types: &Types,
    wired: &[Wired],
    node: &Node,
    place: Place<'_>,
    visit: &mut Visit<'_>,
) {
    let mut texts: Vec<&Node> = Vec::new();
    node.each_text(&Path::root(), &mut |_, node, text| {
        if Template::is_in(text) {
            texts.push(node);
        }
    });
    for node in texts {
        one(scene, types, wired, node, place, visit);
    }
}

fn one(
    scene: &mut Scene<'_>,
    types: &Types,
    wired: &[Wired],
    node: &Node,
    place: Place<'_>,
    visit: &mut Visit<'_>,
) {
    let Some(text) = node.text() else { return };
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => {
            let finding = finding_of(scene, node, &error);
            scene.add(finding);
            return;
        }
    };
    let mut faults = 0;
    for mention in &template.references().mentions {
        visit(scene, node, mention);
        if let Some(finding) = types.unknown(scene, wired, node, mention, place) {
            scene.add(finding);
            faults += 1;
        }
    }
    if faults > 0 {
        return;
    }
    let env = types.env(scene, &template, place.step, wired);
    if let Err(error) = template.check(&env) {
        let finding = finding_of(scene, node, &error);
        scene.add(finding);
    }
}

fn finding_of(scene: &Scene<'_>, node: &Node, error: &ExpressionError) -> Finding {
    let code = match error.kind {
        ErrorKind::Syntax => "S03/syntax",
        ErrorKind::UnknownName => "S02/unknown-name",
        ErrorKind::UnknownParam => "S02/unknown-param",
        ErrorKind::UnknownVar => "S02/unknown-var",
        ErrorKind::UnknownStep => "S02/unknown-step",
        ErrorKind::UnknownOutput => "S02/unknown-output",
        ErrorKind::ManyCells => "S02/matrix-not-collected",
        ErrorKind::Type | ErrorKind::Value => "S03/type",
    };
    let span = locate::of_range(scene.sources, node, error.at.clone());
    let mut finding = found(code, span, error.message.clone());
    finding.0.help.clone_from(&error.help);
    finding.0.fix = error.replacement.as_ref().map(|replacement| Fix {
        span,
        replacement: replacement.clone(),
    });
    finding
}

/// Types of everything an expression can name.
struct Types {
    params: BTreeMap<String, Type>,
    /// Joined over all environments; `None` where one of them does not set it.
    vars: BTreeMap<String, Option<Type>>,
    environments: Vec<String>,
}

impl Types {
    fn new(scene: &Scene<'_>) -> Self {
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
    fn unknown(
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

    fn axes<'d>(&self, scene: &Scene<'d>, step: usize) -> Option<Vec<&'d str>> {
        let (_, step) = scene.draft.spec.steps.get_index(step)?;
        step.matrix
            .as_ref()
            .map(|matrix| matrix.axes.keys().map(String::as_str).collect())
    }

    /// Types of the names that a template mentions; only those, since a pipeline may have ten
    /// thousand steps.
    fn env(&self, scene: &Scene<'_>, template: &Template, step: Option<usize>, wired: &[Wired]) -> TypeEnv {
        let references = template.references();
        let mut env = TypeEnv::default()
            .with("environment", Type::map([("name", Type::String)]))
            .with("event", Type::Any)
            .with(
                "trigger",
                Type::map([
                    ("type", Type::String),
                    ("logical_date", Type::Date),
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
        let steps = references.steps().into_keys().filter_map(|name| {
            let (index, _, spec) = scene.draft.spec.steps.get_full(name)?;
            let outputs = wired.get(index).map(|step| {
                step.outputs
                    .iter()
                    .map(|(name, output)| (name.clone(), of_output(output.kind)))
                    .collect()
            });
            let cell = Type::map([
                ("status", Type::String),
                ("matrix", Type::MapOf(Box::new(Type::Any))),
                ("metrics", Type::MapOf(Box::new(Type::Float))),
                ("outputs", outputs.map_or(Type::Any, Type::Map)),
            ]);
            Some((
                name.to_owned(),
                if spec.matrix.is_some() {
                    Type::list(cell)
                } else {
                    cell
                },
            ))
        });
        let steps = Type::Map(steps.collect());
        env.with("steps", steps)
    }

    fn matrix(&self, scene: &Scene<'_>, matrix: &crate::pipeline::spec::Matrix) -> BTreeMap<String, Type> {
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
                            let env = self.env(scene, &template, None, &[]);
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
        _ => Type::Any,
    }
}

/// `params.NAME` and the like inside column expressions, where no `${{ }}` is needed.
fn columns(scene: &mut Scene<'_>, types: &Types, wired: &[Wired], index: usize, node: &Node) {
    let Some(kind) = wired[index].kind.clone() else {
        return;
    };
    let Some((_, spec)) = scene.draft.spec.steps.get_index(index) else {
        return;
    };
    let with = Value::Object(spec.with.clone());
    let place = Place {
        step: Some(index),
        has_steps: false,
        has_event: false,
        what: "a column expression",
    };
    for (path, root, name) in values::mentioned_in_columns(&with, &kind.signature.params) {
        let found_node = node.find(&path.0).node;
        let mention = Mention {
            root: root.clone(),
            name: Some(name.clone()),
            output: None,
            at: 0..0,
            output_at: None,
        };
        let Some(mut finding) = types.unknown(scene, wired, found_node, &mention, place) else {
            continue;
        };
        if let Some(whole) = locate::of_word(scene.sources, found_node, &format!("{root}.{name}")) {
            let span = Span {
                start: whole.start + root.len() + 1,
                ..whole
            };
            finding.0.primary.span = span;
            if let Some(fix) = finding.0.fix.as_mut() {
                fix.span = span;
            }
        }
        scene.add(finding);
    }
}
