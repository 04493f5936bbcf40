//! What flows along the edges, before anything runs: parameters with their values filled in, the
//! shape of every output, and what kinds of steps say about both.
//!
//! Walks the steps in order, once for each environment, since environments differ in params. What
//! is the same as in the environment before is not asked again.

mod columns;
mod edges;
mod leak;
mod reads;

pub use reads::Reads;

pub(crate) use edges::compare;

use super::checks::{Scene, found, parse_text, type_of, value_fault};
use super::locate;
use super::reader::Node;
use super::rules;
use super::schema::{Validator, Walk};
use super::spec::MatrixValues;
use super::values::{Values, fill, fill_columns};
use super::wiring::{Kind, Source, Wired};
use crate::diagnostic::{Diagnostic, Fix, Label, Severity};
use crate::expression::Template;
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use trainyard_contract::{
    ArtifactKind, DataContract, Finding, InferRequest, Inference, Path, Segment, Shape,
};

/// Most cells of a matrix that are looked at one by one; beyond it the first ones stand for all.
const MAX_CELLS: usize = 64;

/// What the checks know of one step.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Parameters of each cell, to tell whether another environment changes anything.
    with: Vec<Value>,
    inputs: IndexMap<String, Shape>,
    outputs: IndexMap<String, Shape>,
    inferences: Vec<Inference>,
}

/// Values of params and vars in an environment, before a run.
pub(crate) fn values_of(scene: &Scene<'_>, environment: Option<&str>) -> Values {
    let spec = &scene.draft.spec;
    let own = environment.and_then(|name| spec.environments.get(name));
    let shared = environment.and_then(|name| scene.project?.environments.get(name));
    let mut values = Values {
        environment: environment.map(str::to_owned),
        ..Values::default()
    };
    for (name, value) in shared.into_iter().flat_map(|shared| &shared.vars) {
        values.vars.insert(name.clone(), value.clone());
    }
    for (name, value) in own.into_iter().flat_map(|own| &own.vars) {
        values.vars.insert(name.clone(), value.clone());
    }
    let nothing = values.clone();
    for (name, param) in &spec.params {
        let given = scene
            .params
            .get(name)
            .and_then(|text| parse_text(param, text).ok());
        let of_environment = own.and_then(|own| own.params.get(name)).cloned();
        let default = param.default.as_ref().and_then(|default| match default.as_str() {
            Some(text) if Template::is_in(text) => nothing.evaluate(text).ok().flatten(),
            _ => Some(default.clone()),
        });
        let Some(value) = given.or(of_environment).or(default) else {
            continue;
        };
        // A value that does not fit has its own finding.
        let fits = type_of(param).is_ok_and(|of| value_fault(param, &of, &value).is_none());
        if fits {
            values.params.insert(name.clone(), value);
        }
    }
    values
}

/// Cells of a matrix as far as their values are known; one without a matrix.
fn cells(scene: &Scene<'_>, index: usize, values: &Values) -> Vec<Option<Map<String, Value>>> {
    let Some((_, spec)) = scene.draft.spec.steps.get_index(index) else {
        return vec![None];
    };
    let Some(matrix) = &spec.matrix else {
        return vec![None];
    };
    let mut cells = vec![Map::new()];
    for (axis, of) in &matrix.axes {
        let list: Vec<Value> = match of {
            MatrixValues::List(items) => items
                .iter()
                .map(|item| match item.as_str() {
                    Some(text) if Template::is_in(text) => {
                        values.evaluate(text).ok().flatten().unwrap_or(Value::Null)
                    }
                    _ => item.clone(),
                })
                .collect(),
            MatrixValues::Expression(text) => match values.evaluate(text) {
                Ok(Some(Value::Array(items))) => items,
                _ => Vec::new(),
            },
        };
        if list.is_empty() {
            // Not known yet: the axis has no value, and what uses it waits.
            continue;
        }
        let mut next = Vec::with_capacity((cells.len() * list.len()).min(MAX_CELLS));
        for cell in &cells {
            for value in &list {
                if next.len() < MAX_CELLS {
                    let mut cell: Map<String, Value> = cell.clone();
                    cell.insert(axis.clone(), value.clone());
                    next.push(cell);
                }
            }
        }
        cells = next;
    }
    cells.into_iter().map(Some).collect()
}

/// What flows along the edges.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    /// Of the first environment; of a matrix, of its first cell.
    pub(crate) shapes: BTreeMap<(String, String), Shape>,
    pub(crate) reads: Reads,
}

/// Infers what flows, and reports what kinds of steps find.
pub(crate) fn run(scene: &mut Scene<'_>, order: &[usize]) -> Flows {
    let contracts: BTreeMap<String, Arc<DataContract>> = scene
        .draft
        .contracts
        .iter()
        .map(|(name, known)| (name.clone(), known.contract.clone()))
        .collect();
    let mut first: Option<Vec<Known>> = None;
    for environment in scene.environments() {
        let values = values_of(scene, environment.as_deref());
        let mut known: Vec<Known> = vec![Known::default(); scene.steps.len()];
        for index in order.iter().copied() {
            let before = first.as_ref().map(|first| &first[index]);
            known[index] = step(scene, &contracts, &values, index, &known, before);
        }
        if first.is_none() {
            first = Some(known);
        }
    }
    let known = first.unwrap_or_default();
    let clean = !scene.out.iter().any(|found| found.severity == Severity::Error);
    let reads = reads::of(scene, order, &known);
    if clean {
        columns::idle(scene, order, &known, &contracts);
    }
    let mut shapes = BTreeMap::new();
    for (index, known) in known.into_iter().enumerate() {
        let Some((name, _)) = scene.draft.spec.steps.get_index(index) else {
            continue;
        };
        for (output, shape) in known.outputs {
            shapes.insert((name.clone(), output), shape);
        }
    }
    Flows { shapes, reads }
}

fn step(
    scene: &mut Scene<'_>,
    contracts: &BTreeMap<String, Arc<DataContract>>,
    values: &Values,
    index: usize,
    known: &[Known],
    before: Option<&Known>,
) -> Known {
    let draft = scene.draft;
    let steps = scene.steps;
    let wired = &steps[index];
    let Some((name, spec)) = draft.spec.steps.get_index(index) else {
        return Known::default();
    };
    let Some(entry) = draft.step_entry(index) else {
        return Known::default();
    };
    let inputs = input_shapes(scene, wired, known, contracts);
    let Some(kind) = wired.kind.clone().filter(|_| !draft.damaged.contains(name)) else {
        let outputs = edges::declared(name, wired, contracts);
        return Known {
            inputs,
            outputs,
            ..Known::default()
        };
    };
    let mut result = Known {
        inputs,
        ..Known::default()
    };
    let empty = Node::of_value(&Value::Object(Map::new()), entry.key_span);
    let is_script = spec.uses.is_none();
    let with = entry.value.get("with").unwrap_or(&empty);
    let mut filled = Vec::new();
    for cell in cells(scene, index, values) {
        let values = Values {
            matrix: cell,
            ..values.clone()
        };
        let mut cell = fill(with, &values, &Path::root().key("with"));
        let mut value = cell.node.to_value();
        fill_columns(&mut value, &kind.signature.params, &values, &mut cell.unknown);
        if is_script {
            script(&mut value, spec.run.as_deref(), spec.image.as_deref());
        }
        result.with.push(value);
        filled.push(cell);
    }
    if (spec.for_each.is_some() || spec.repeat.is_some())
        && result.with.iter().any(|with| kind.step.memory(with).is_some())
    {
        let word = if spec.for_each.is_some() {
            "for_each"
        } else {
            "repeat"
        };
        let key = entry
            .value
            .entry(word)
            .map_or(entry.key_span, |each| each.key_span);
        scene.add(
            found(
                "S01/exclusive-keys",
                key,
                format!(
                    "`{name}` goes on from what it made in the last run, which does not go with `{word}`"
                ),
            )
            .label("not with this step")
            .help("let the step read the whole of it each time"),
        );
    }
    if let Some(before) = before
        && before.with == result.with
        && before.inputs == result.inputs
    {
        return before.clone();
    }
    for (cell, value) in filled.iter().zip(&result.with) {
        for (path, error) in &cell.errors {
            let node = entry.value.find(&path.0).node;
            let span = locate::of_range(scene.sources, node, error.at.clone());
            let mut finding = found("S03/type", span, error.message.clone());
            if let Some(help) = &error.help {
                finding = finding.help(help.clone());
            }
            scene.add(finding);
        }
        let form = parameters(
            scene,
            &kind,
            with,
            cell,
            entry.value.entry("with").map(|with| with.key_span),
            entry.key_span,
            is_script,
        );
        if form > 0 {
            continue;
        }
        let features = scene.features;
        let request = InferRequest {
            step: name,
            with: value,
            unknown: &cell.unknown,
            inputs: &result.inputs,
            outputs: &wired.outputs,
            contracts,
            features: &features.definitions,
        };
        let inference = kind.step.infer(&request);
        for finding in &inference.findings {
            report(scene, index, finding);
        }
        leak::check(scene, index, &inference);
        result.inferences.push(inference);
    }
    result.outputs = edges::outputs(scene, index, &result, contracts);
    result
}

/// `run:` and `image:` as the parameters they stand for.
pub(crate) fn script(with: &mut Value, run: Option<&str>, image: Option<&str>) {
    let Some(with) = with.as_object_mut() else { return };
    if let Some(image) = image {
        with.insert("image".to_owned(), Value::String(image.to_owned()));
    }
    if let Some(run) = run {
        with.insert("script".to_owned(), Value::String(run.to_owned()));
    }
}

/// Checks the parameters with their values against the kind's schema; the number of faults.
fn parameters(
    scene: &mut Scene<'_>,
    kind: &Kind,
    written: &Node,
    cell: &super::values::Filled,
    key: Option<crate::diagnostic::Span>,
    step_key: crate::diagnostic::Span,
    is_script: bool,
) -> usize {
    let schema = if is_script {
        &kind.script_params
    } else {
        &kind.signature.params
    };
    let mut walk = Walk::new(&cell.results);
    let validator = Validator::new(schema);
    validator.check(
        &cell.node,
        Some(("with", key.unwrap_or(step_key))),
        true,
        &mut walk,
    );
    let mut faults = walk.faults;
    // Nothing is spliced into a script.
    if let Some(script) = written
        .get("script")
        .filter(|node| node.text().is_some_and(Template::is_in))
        && matches!(kind.step.uses(), super::wiring::SHELL | super::wiring::CONTAINER)
    {
        faults.push(
            found(
                "S03/not-evaluated",
                script.span,
                "no expression is evaluated in a script",
            )
            .label("would be spliced into a shell")
            .help("pass the value by `env:` and use \"$NAME\"")
            .done(),
        );
    }
    let count = faults.len();
    scene.out.extend(faults);
    count
}

fn input_shapes(
    scene: &Scene<'_>,
    wired: &Wired,
    known: &[Known],
    contracts: &BTreeMap<String, Arc<DataContract>>,
) -> IndexMap<String, Shape> {
    wired
        .inputs
        .iter()
        .map(|(input, source)| {
            let shape = match source {
                Source::Dataset(dataset) => scene
                    .draft
                    .spec
                    .datasets
                    .get(dataset)
                    .and_then(|declared| contracts.get(declared.contract.as_ref()?))
                    .map_or(Shape::UnknownTable, |contract| {
                        Shape::Table(contract.schema(Some(dataset)))
                    }),
                Source::Registry { optional: true, .. } => Shape::Absent,
                Source::Registry { .. } => Shape::Other(ArtifactKind::Model),
                // Of a version that is not the present one, only the store knows the columns.
                Source::Features(features) => match scene.features.definitions.views.get(&features.view) {
                    Some(view) if features.version.is_none() => Shape::Table(view.schema()),
                    _ => Shape::UnknownTable,
                },
                Source::Output { step, output, all } => {
                    let shape = known[*step]
                        .outputs
                        .get(output)
                        .cloned()
                        .unwrap_or(Shape::UnknownTable);
                    if *all {
                        Shape::Collected(vec![shape])
                    } else {
                        shape
                    }
                }
            };
            (input.clone(), shape)
        })
        .collect()
}

/// A finding of a kind of step as a diagnostic at its place.
fn report(scene: &mut Scene<'_>, index: usize, finding: &Finding) {
    let Some(entry) = scene.draft.step_entry(index) else {
        return;
    };
    let path = in_step(&finding.path);
    let word = finding.word.as_deref();
    let span = locate::of_finding(scene.sources, &entry.value, &path, word, finding.range.clone());
    // The whole step is too much to underline.
    let span = if span == entry.value.span {
        entry.key_span
    } else {
        span
    };
    let help = finding.help.clone();
    let fix = help
        .as_deref()
        .and_then(|help| help.strip_prefix("did you mean `"))
        .and_then(|rest| rest.strip_suffix("`?"))
        .filter(|_| finding.word.is_some())
        .map(|near| Fix {
            span,
            replacement: near.to_owned(),
        });
    scene.out.push(Diagnostic {
        code: rules::of_finding(&finding.code, &finding.message).to_owned(),
        severity: finding.severity,
        message: finding.message.clone(),
        primary: Label {
            span,
            text: String::new(),
        },
        secondary: Vec::new(),
        notes: finding.notes.clone(),
        help,
        fix,
    });
}

/// Paths of findings begin with a key of the step; some leave `with` out.
fn in_step(path: &Path) -> Path {
    match path.0.first() {
        Some(Segment::Key(key))
            if ["with", "inputs", "outputs", "matrix", "uses", "run"].contains(&key.as_str()) =>
        {
            path.clone()
        }
        _ => Path::root().key("with").join(path),
    }
}
