//! Protected attributes that a model uses and nobody watches (M09).
//!
//! Why: a column classified `protected` says who somebody is. A model that learns from it may treat
//! groups of people differently, and no average tells; a fairness gate does.
//!
//! ```yaml
//! sex: {type: string, classification: protected}     # contract
//! keep: [sex, amount]                                # M09/no-fairness-gate
//! ```

use super::{Scene, found};
use crate::diagnostic::{Fix, Span};
use crate::expression::Template;
use crate::pipeline::locate;
use crate::pipeline::wiring::Source;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{Column, Path, Shape};

/// The word of contracts for what says who somebody is.
const PROTECTED: &str = "protected";

pub(super) fn run(scene: &mut Scene<'_>, shapes: &BTreeMap<(String, String), Shape>) {
    let draft = scene.draft;
    let mut findings = Vec::new();
    let mut told: BTreeSet<(Span, String)> = BTreeSet::new();
    for (index, (name, _)) in draft.spec.steps.iter().enumerate() {
        for output in scene.steps[index].outputs.keys() {
            let Some(Shape::Model { features, .. }) = shapes.get(&(name.clone(), output.clone())) else {
                continue;
            };
            let protected: Vec<&Column> = features
                .columns
                .iter()
                .filter(|column| column.classification.as_deref() == Some(PROTECTED))
                .collect();
            if protected.is_empty() {
                continue;
            }
            let judges = judges(scene, index, output);
            // Nobody judges this one; what is made of it may be judged, and is looked at there.
            if judges.is_empty() && is_used_on(scene, index) {
                continue;
            }
            if judges.iter().any(|judge| has_open_gates(scene, *judge)) {
                continue;
            }
            for column in protected {
                if judges.iter().any(|judge| guards(scene, *judge, column)) {
                    continue;
                }
                let span = place(scene, index, column);
                if !told.insert((span, column.name.clone())) {
                    continue;
                }
                findings.push(finding(scene, name, span, column, judges.first().copied()));
            }
        }
    }
    scene.out.extend(findings.into_iter().map(super::Finding::done));
}

fn finding(
    scene: &Scene<'_>,
    model: &str,
    span: Span,
    column: &Column,
    judge: Option<usize>,
) -> super::Finding {
    let origins: Vec<String> = column
        .origins
        .iter()
        .filter(|origin| origin.column != column.name)
        .map(|origin| format!("`{}` of `{}`", origin.column, origin.dataset))
        .collect();
    let mut finding = found(
        "M09/no-fairness-gate",
        span,
        format!("`{model}` learns from `{}`, a protected attribute, and no gate asks whether groups are treated alike", column.name),
    )
    .label("protected");
    if !origins.is_empty() {
        finding = finding.note(format!("it is made of {}", origins.join(", ")));
    }
    let Some((judge, spec)) = judge.and_then(|judge| scene.draft.spec.steps.get_index(judge)) else {
        return finding.help("leave it out, or evaluate the model with a gate `{metric: …, fairness: COLUMN, ratio_at_least: 0.8}`");
    };
    let is_classifier = spec
        .uses
        .as_deref()
        .is_some_and(|uses| uses.contains("classifier"));
    let gate = if is_classifier {
        format!(
            "{{metric: selection_rate, fairness: {}, ratio_at_least: 0.8}}",
            column.name
        )
    } else {
        format!("{{metric: mae, fairness: {}, ratio_at_least: 0.8}}", column.name)
    };
    let mut finding = finding.help(format!("leave it out, or add a gate to `{judge}`: `{gate}`"));
    finding.0.fix = last_gate(scene, judge).map(|(at, indent)| Fix {
        span: at,
        replacement: match indent {
            None => format!(", {gate}"),
            Some(indent) => format!("\n{indent}- {gate}"),
        },
    });
    finding
}

/// Where a further gate goes: after the last one; with the indentation of a block list.
fn last_gate(scene: &Scene<'_>, judge: &str) -> Option<(Span, Option<String>)> {
    let gates = scene
        .draft
        .root
        .get("steps")?
        .get(judge)?
        .get("with")?
        .get("gates")?;
    let last = gates.items().last()?;
    let text = &scene.sources.file(gates.span.file)?.text;
    let end = Span {
        start: last.span.end,
        end: last.span.end,
        ..last.span
    };
    if text.get(gates.span.start..)?.starts_with('[') {
        return Some((end, None));
    }
    // A gate in flow style on a line of its own; others may end anywhere.
    if !text.get(last.span.start..last.span.end)?.ends_with('}') {
        return None;
    }
    let line = text.get(..last.span.start)?.rfind('\n')? + 1;
    let before = text.get(line..last.span.start)?;
    let indent = before.strip_suffix("- ")?;
    let is_blank = indent.chars().all(|letter| letter == ' ');
    // A comment behind the last gate would swallow nothing, but stand in the wrong place.
    is_blank.then(|| (end, Some(indent.to_owned())))
}

/// Steps that judge the model of a step.
fn judges(scene: &Scene<'_>, step: usize, output: &str) -> Vec<usize> {
    let takes = |source: &Source| matches!(source, Source::Output { step: of, output: name, .. } if *of == step && name == output);
    (0..scene.steps.len())
        .filter(|index| {
            let wired = &scene.steps[*index];
            wired.uses.starts_with("evaluate.") && wired.inputs.get("model").is_some_and(takes)
        })
        .collect()
}

/// Whether something else is made with the help of a step's models or metrics.
fn is_used_on(scene: &Scene<'_>, step: usize) -> bool {
    let is_it = |source: &Source| matches!(source, Source::Output { step: of, .. } if *of == step);
    let inputs = scene.steps.iter().flat_map(|other| &other.inputs);
    inputs
        .into_iter()
        .any(|(input, source)| input != "model" && is_it(source))
}

fn gates<'s>(scene: &Scene<'s>, judge: usize) -> Option<&'s Vec<Value>> {
    let (_, spec) = scene.draft.spec.steps.get_index(judge)?;
    spec.with.get("gates")?.as_array()
}

/// Whether what the gates demand is known only later.
fn has_open_gates(scene: &Scene<'_>, judge: usize) -> bool {
    let Some((_, spec)) = scene.draft.spec.steps.get_index(judge) else {
        return false;
    };
    let is_open = |value: &Value| value.as_str().is_some_and(Template::is_in);
    spec.with.get("gates").is_some_and(is_open)
        || gates(scene, judge).into_iter().flatten().any(|gate| {
            ["fairness", "slice"]
                .iter()
                .any(|key| gate.get(*key).is_some_and(is_open))
        })
}

/// Whether a gate asks how far the groups of a column are apart.
fn guards(scene: &Scene<'_>, judge: usize, column: &Column) -> bool {
    let is_it = |name: &str| name == column.name || column.origins.iter().any(|origin| origin.column == name);
    gates(scene, judge).into_iter().flatten().any(|gate| {
        let by = |key: &str| gate.get(key).and_then(Value::as_str).is_some_and(is_it);
        by("fairness") || (by("slice") && gate.get("spread_at_most").is_some())
    })
}

/// Where the column is named on its way into the model: in the step that learns, or the nearest above.
fn place(scene: &Scene<'_>, learner: usize, column: &Column) -> Span {
    let draft = scene.draft;
    let fallback = draft.step_entry(learner).map_or(draft.root.span, |entry| {
        let node = entry.value.get("inputs").and_then(|inputs| inputs.get("train"));
        node.map_or(entry.key_span, |node| node.span)
    });
    let mut seen = BTreeSet::from([learner]);
    let mut row = vec![learner];
    while !row.is_empty() {
        let mut next = Vec::new();
        for index in row {
            let Some(entry) = draft.step_entry(index) else {
                continue;
            };
            for key in ["features", "keep", "columns", "query"] {
                let path = Path::root().key("with").key(key);
                let found = entry.value.find(&path.0);
                if found.depth == 2
                    && let Some(span) = locate::of_word_below(scene.sources, found.node, &column.name)
                {
                    return span;
                }
            }
            next.extend(
                scene.steps[index]
                    .data()
                    .into_iter()
                    .filter(|above| seen.insert(*above)),
            );
        }
        row = next;
    }
    fallback
}

#[cfg(test)]
mod tests {
    use crate::pipeline::fixture::{checked, project, shown};

    const CONTRACT: &str = "\
version: 1
name: people
columns:
  sex: {type: string, classification: protected}
  amount: {type: int64}
  risk: {type: int64}
";

    fn found(keep: &str, gates: &str) -> Vec<String> {
        let text = format!(
            "\
version: 1
name: p
include: [../contracts/people.yaml]
datasets: {{people: {{path: data/flights.csv, contract: people}}}}
steps:
  features: {{uses: features.build@v1, inputs: {{flights: people}}, with: {{keep: {keep}, label: {{expr: risk > 0}}}}}}
  split: {{uses: split.time@v1, inputs: {{table: features.table}}, outputs: {{train: {{type: table}}, test: {{type: table}}}}}}
  t: {{uses: train.classifier@v1, inputs: {{train: split.train}}, with: {{seed: 1}}}}
  e: {{uses: evaluate.classifier@v1, inputs: {{model: t.model, test: split.test}}, with: {{gates: [{gates}]}}}}
"
        );
        let files = project(&text).with("contracts/people.yaml", CONTRACT);
        let mut found = shown(&checked(&files, &["pipelines/p.yaml"], None));
        found.retain(|found| !found.starts_with("S06") && !found.starts_with("D06"));
        found
    }

    #[test]
    fn a_protected_attribute_needs_a_gate_of_its_own() {
        let plain = "{metric: roc_auc, must_be_at_least: 0.6}";
        assert_eq!(found("[sex, amount]", plain), ["M09/no-fairness-gate 6:80 sex"]);
        assert_eq!(found("[amount]", plain), Vec::<String>::new());
        for gate in [
            "{metric: selection_rate, fairness: sex, ratio_at_least: 0.8}",
            "{metric: roc_auc, slice: sex, spread_at_most: 0.1}",
        ] {
            assert_eq!(found("[sex, amount]", gate), Vec::<String>::new(), "{gate}");
        }
        let other = "{metric: selection_rate, fairness: amount, ratio_at_least: 0.8}";
        assert_eq!(found("[sex, amount]", other), ["M09/no-fairness-gate 6:80 sex"]);
    }
}
