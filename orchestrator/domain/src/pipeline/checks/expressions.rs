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

mod types;
mod uses;

use super::{Finding, Scene, found};
use crate::diagnostic::{Fix, Span};
use crate::expression::{ErrorKind, ExpressionError, Mention, Template, Type, parse};
use crate::pipeline::locate;
use crate::pipeline::reader::Node;
use crate::pipeline::spec::MatrixValues;
use crate::pipeline::values;
use crate::pipeline::wiring::Wired;
use serde_json::Value;
use std::collections::BTreeSet;
use trainyard_contract::Path;
use types::Types;

/// Where an expression stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// Index of its step, for `steps` and `matrix`.
    step: Option<usize>,
    /// Whether results of steps exist there.
    has_steps: bool,
    has_event: bool,
    /// Whether `item`, `iteration` and the like exist there if the step has them.
    has_item: bool,
    /// Whether `outputs` and `metrics` of the iteration do.
    has_results: bool,
    what: &'a str,
}

impl Place<'_> {
    /// Outside of every step.
    const NOWHERE: Self = Self {
        step: None,
        has_steps: false,
        has_event: false,
        has_item: false,
        has_results: false,
        what: "this place",
    };
}

/// Checks all expressions and adds the order edges that they mean.
pub(super) fn run(scene: &mut Scene<'_>, wired: &mut [Wired]) {
    let types = Types::new(scene);
    let root = &scene.draft.root;
    let misused = uses::run(scene, &types, wired);
    for entry in root.entries() {
        match &*entry.key {
            "steps" => {
                for (index, step) in entry.value.entries().iter().enumerate() {
                    // What a faulty value is put into would only repeat the fault.
                    if misused.iter().any(|owner| uses::is_of(&step.key, owner)) {
                        continue;
                    }
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
                            has_item: false,
                            has_results: false,
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
                    has_item: false,
                    has_results: false,
                    what: "a trigger",
                };
                each(scene, &types, wired, &entry.value, place, &mut |_, _, _| {});
            }
            "on_failure" | "finally" => {
                let place = Place {
                    step: None,
                    has_steps: true,
                    has_event: false,
                    has_item: false,
                    has_results: false,
                    what: "a hook",
                };
                each(scene, &types, wired, &entry.value, place, &mut |_, _, _| {});
            }
            "datasets" | "concurrency" | "alerts" => {
                let place = Place {
                    step: None,
                    has_steps: false,
                    has_event: false,
                    has_item: false,
                    has_results: false,
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
            // The hooks of a step run once for all of its items.
            has_item: !in_hook,
            has_results: false,
            what: "a step",
        };
        match &*entry.key {
            "if" => condition(scene, types, wired, index, &entry.value),
            "for_each" => for_each(scene, types, wired, index, &entry.value, entry.key_span),
            "repeat" => repeat(scene, types, wired, index, &entry.value, entry.key_span),
            "matrix" => {
                let place = Place {
                    step: None,
                    has_steps: false,
                    has_item: false,
                    has_results: false,
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

/// The list of `for_each`: an expression that gives one, and data from the steps that it speaks of.
fn for_each(scene: &mut Scene<'_>, types: &Types, wired: &mut [Wired], index: usize, node: &Node, key: Span) {
    let draft = scene.draft;
    let Some((name, spec)) = draft.spec.steps.get_index(index) else {
        return;
    };
    if spec.matrix.is_some() {
        scene.add(
            found(
                "S01/exclusive-keys",
                key,
                format!("`{name}` has both `matrix` and `for_each`"),
            )
            .label("one too many")
            .help("leave one out; a list of combinations can be the items of `for_each`"),
        );
    }
    let asks_people = wired[index]
        .kind
        .as_ref()
        .is_some_and(|kind| kind.signature.runner == trainyard_contract::Runner::Orchestrator);
    if asks_people {
        let message = format!("`{}` asks people once, and not for each item", wired[index].uses);
        scene.add(
            found("S01/exclusive-keys", key, message)
                .label("not with this kind of step")
                .help("let a step of its own ask, before or after"),
        );
    }
    let place = Place {
        step: Some(index),
        has_steps: true,
        has_event: false,
        has_item: false,
        has_results: false,
        what: "`for_each`",
    };
    let before = scene.out.len();
    let mut listed = BTreeSet::new();
    each(scene, types, wired, node, place, &mut |scene, _, mention| {
        if let ("steps", Some(name)) = (mention.root.as_str(), &mention.name)
            && let Some(from) = scene.draft.spec.steps.get_index_of(name)
        {
            listed.insert(from);
        }
    });
    listed.remove(&index);
    wired[index].listed = listed;
    let (Some(MatrixValues::Expression(text)), Some(value)) =
        (spec.for_each.as_ref().map(|each| &each.items), node.get("items"))
    else {
        return;
    };
    if !Template::is_in(text) {
        scene.add(
            found(
                "S01/wrong-type",
                value.span,
                "`items` has to be a list, or an expression that gives one",
            )
            .label("one value")
            .help(format!("write a list: [{text}]")),
        );
        return;
    }
    let Ok(template) = Template::parse(text) else {
        return;
    };
    if scene.out.len() > before {
        return;
    }
    let env = types.env(scene, &template, place, wired);
    if let Ok(of) = template.check(&env)
        && !matches!(of, Type::List(_) | Type::Any)
    {
        scene.add(
            found(
                "S03/type",
                value.span,
                format!("`for_each` needs a list, and this is {of}"),
            )
            .label("not a list")
            .help("use an output of `type: list`, or a param of type list[…]"),
        );
    }
}

/// The condition of `repeat`, over results of the iteration.
fn repeat(scene: &mut Scene<'_>, types: &Types, wired: &mut [Wired], index: usize, node: &Node, key: Span) {
    let draft = scene.draft;
    let Some((name, spec)) = draft.spec.steps.get_index(index) else {
        return;
    };
    let asks_people = wired[index]
        .kind
        .as_ref()
        .is_some_and(|kind| kind.signature.runner == trainyard_contract::Runner::Orchestrator);
    if spec.for_each.is_some() {
        let message = format!("`{name}` has both `for_each` and `repeat`");
        scene.add(
            found("S01/exclusive-keys", key, message)
                .label("one too many")
                .help("leave one out; cells of a `matrix` can repeat each for itself"),
        );
    } else if asks_people {
        let message = format!(
            "`{}` asks people once, and not again and again",
            wired[index].uses
        );
        scene.add(
            found("S01/exclusive-keys", key, message)
                .label("not with this kind of step")
                .help("let a step of its own ask, before or after"),
        );
    }
    let Some(until) = node.get("until") else { return };
    let place = Place {
        step: Some(index),
        has_steps: true,
        has_event: false,
        has_item: true,
        has_results: true,
        what: "`until`",
    };
    boolean(scene, types, wired, until, place);
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
        let env = types.env(scene, &template, Place::NOWHERE, &[]);
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

/// Whether a text is an expression that only lacks its `${{ }}`.
fn is_bare_expression(text: &str) -> bool {
    const ROOTS: [&str; 11] = [
        "params",
        "vars",
        "environment",
        "trigger",
        "steps",
        "matrix",
        "item",
        "iteration",
        "previous",
        "outputs",
        "metrics",
    ];
    parse(text).is_ok_and(|expression| {
        let references = expression.references();
        !references.mentions.is_empty() && references.roots().iter().all(|root| ROOTS.contains(root))
    })
}

fn condition(scene: &mut Scene<'_>, types: &Types, wired: &mut [Wired], index: usize, node: &Node) {
    let place = Place {
        step: Some(index),
        has_steps: true,
        has_event: false,
        has_item: false,
        has_results: false,
        what: "`if`",
    };
    boolean(scene, types, wired, node, place);
}

/// A text that has to be one boolean expression; steps that it speaks of have to be over first.
fn boolean(scene: &mut Scene<'_>, types: &Types, wired: &mut [Wired], node: &Node, place: Place<'_>) {
    let (Some(text), Some(index)) = (node.text(), place.step) else {
        return;
    };
    let what = place.what;
    if !Template::is_in(text) {
        let finding = found(
            "S03/not-boolean",
            node.span,
            format!("{what} is the text {text:?}, not a boolean expression"),
        )
        .label("a text");
        let word = text.trim();
        let instead = match word {
            "true" | "false" => Some(word.to_owned()),
            _ if is_bare_expression(word) => Some(format!("{:?}", format!("${{{{ {word} }}}}"))),
            _ => None,
        };
        let mut finding = match (&instead, word) {
            (Some(_), "true" | "false") => finding.help(format!("remove the quotes: {word}")),
            (Some(instead), _) => finding.help(format!("write {instead}")),
            (None, _) => finding.help("compare with it, as in \"${{ environment.name == 'prod' }}\""),
        };
        finding.0.fix = instead.map(|replacement| Fix {
            span: node.span,
            replacement,
        });
        scene.add(finding);
        return;
    }
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
    let env = types.env(scene, &template, place, wired);
    if let Ok(of) = template.check(&env)
        && !matches!(of, Type::Boolean | Type::Any)
    {
        let finding = found(
            "S03/not-boolean",
            node.span,
            format!("{what} has to be a boolean, and this is {of}"),
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
    let env = types.env(scene, &template, place, wired);
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
        has_item: false,
        has_results: false,
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
