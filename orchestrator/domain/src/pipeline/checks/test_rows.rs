//! What becomes of the rows that a split keeps for testing (M04).
//!
//! Why: a figure taken on rows that the model has learned from, or that were used to choose among
//! models, says how well it remembers and not how well it predicts. Rows are followed from the output
//! of a split along the tables made of them.
//!
//! ```yaml
//! train:    {inputs: {train: split.train, valid: split.test}}    # M04/test-rows-in-training
//! evaluate: {inputs: {model: train.model, test: split.train}}    # M04/judged-on-training-rows
//! ```

use super::{Scene, found};
use crate::diagnostic::{Fix, Span};
use crate::pipeline::wiring::{Source, Wired};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{ArtifactKind, Ports, Shape};

/// Rows of one side of a split: step, output.
type Part = (usize, String);

/// Names of the sides of a split.
const SIDES: [&str; 3] = ["train", "valid", "test"];

pub(super) fn run(scene: &mut Scene<'_>, order: &[usize], shapes: &BTreeMap<(String, String), Shape>) {
    let steps = scene.steps;
    if !steps.iter().any(is_split) {
        return;
    }
    let view = View {
        steps,
        parts: parts(scene, order),
    };
    let mut findings = Vec::new();
    for learner in order.iter().copied().filter(|index| learns(&steps[*index])) {
        learning(scene, &view, learner, &mut findings);
    }
    for judge in order.iter().copied().filter(|index| judges(&steps[*index])) {
        judging(scene, &view, judge, &mut findings);
    }
    deciding(scene, &view, order, shapes, &mut findings);
    scene.out.extend(findings.into_iter().map(super::Finding::done));
}

struct View<'a> {
    steps: &'a [Wired],
    /// Which sides of which splits the rows of a table are from, by step and output.
    parts: BTreeMap<(usize, String), BTreeSet<Part>>,
}

impl View<'_> {
    fn parts_of(&self, source: &Source) -> BTreeSet<Part> {
        match source {
            Source::Output { step, output, .. } => self
                .parts
                .get(&(*step, output.clone()))
                .cloned()
                .unwrap_or_default(),
            _ => BTreeSet::new(),
        }
    }

    fn parts_at(&self, step: usize, input: &str) -> BTreeSet<Part> {
        self.steps[step]
            .inputs
            .get(input)
            .map(|source| self.parts_of(source))
            .unwrap_or_default()
    }

    /// Every step that comes, by data or by an expression, after this one, and itself.
    fn downstream(&self, from: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::from([from]);
        loop {
            let before = reached.len();
            for (index, step) in self.steps.iter().enumerate() {
                if step.upstream().iter().any(|above| reached.contains(above)) {
                    reached.insert(index);
                }
            }
            if reached.len() == before {
                return reached;
            }
        }
    }

    /// Steps that had a part in making the models of this step's input, by models and metrics.
    fn makers(&self, source: &Source) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut left: Vec<usize> = match source {
            Source::Output { step, .. } => vec![*step],
            _ => Vec::new(),
        };
        while let Some(index) = left.pop() {
            if !found.insert(index) {
                continue;
            }
            for (input, source) in &self.steps[index].inputs {
                if let Source::Output { step, .. } = source
                    && !SIDES.contains(&input.as_str())
                    && (learns(&self.steps[*step]) || judges(&self.steps[*step]))
                {
                    left.push(*step);
                }
            }
        }
        found
    }
}

fn is_split(step: &Wired) -> bool {
    step.kind.as_ref().is_some_and(|kind| {
        let has = |ports: &Ports, name: &str| super::super::wiring::port(ports, name).is_some();
        has(&kind.signature.outputs, "test") && has(&kind.signature.outputs, "train")
    })
}

/// Makes a model of the rows at its inputs `train` and `valid`.
fn learns(step: &Wired) -> bool {
    let makes_model = step
        .outputs
        .values()
        .any(|output| output.kind == ArtifactKind::Model);
    makes_model && !is_split(step)
}

/// Judges a model by the rows at its input `test`.
fn judges(step: &Wired) -> bool {
    !learns(step) && step.inputs.contains_key("test") && step.inputs.contains_key("model")
}

fn parts(scene: &Scene<'_>, order: &[usize]) -> BTreeMap<(usize, String), BTreeSet<Part>> {
    let mut parts: BTreeMap<(usize, String), BTreeSet<Part>> = BTreeMap::new();
    for index in order.iter().copied() {
        let step = &scene.steps[index];
        let of_input = |source: &Source| match source {
            Source::Output { step, output, .. } => {
                parts.get(&(*step, output.clone())).cloned().unwrap_or_default()
            }
            _ => BTreeSet::new(),
        };
        let same_name = step
            .kind
            .as_ref()
            .is_some_and(|kind| matches!(kind.signature.outputs, Ports::SameAsInputs(_)));
        let all = rows_of(scene, index, &of_input);
        let mut made = Vec::new();
        for (output, declared) in &step.outputs {
            let is_rows = matches!(declared.kind, ArtifactKind::Table | ArtifactKind::File);
            if !is_rows {
                continue;
            }
            let mut rows = match step.inputs.get(output).filter(|_| same_name) {
                Some(source) => of_input(source),
                None => all.clone(),
            };
            if is_split(step) && SIDES.contains(&output.as_str()) {
                rows.insert((index, output.clone()));
            }
            if !rows.is_empty() {
                made.push(((index, output.clone()), rows));
            }
        }
        parts.extend(made);
    }
    parts
}

/// Where the rows of a step's tables are from. What is merely looked up adds columns and no rows, so
/// where sides of one split meet and nobody says which gives the rows, nothing is said of that split.
fn rows_of(scene: &Scene<'_>, index: usize, of_input: &dyn Fn(&Source) -> BTreeSet<Part>) -> BTreeSet<Part> {
    let step = &scene.steps[index];
    let with = scene
        .draft
        .spec
        .steps
        .get_index(index)
        .map(|(_, spec)| &spec.with);
    let word = |key: &str| with.and_then(|with| with.get(key)).and_then(Value::as_str);
    if let Some(source) = word("base").and_then(|base| step.inputs.get(base)) {
        return of_input(source);
    }
    if step.uses.starts_with("features.build@") {
        let named: BTreeSet<&str> = ["join", "as_of_join", "windows", "group"]
            .iter()
            .filter_map(|key| with?.get(*key)?.as_array())
            .flatten()
            .filter_map(|lookup| lookup.get("table")?.as_str())
            .collect();
        let base = step
            .inputs
            .iter()
            .find(|(input, _)| !named.contains(input.as_str()));
        return base.map(|(_, source)| of_input(source)).unwrap_or_default();
    }
    let all: BTreeSet<Part> = step.inputs.values().flat_map(of_input).collect();
    let is_union = word("query").is_some_and(|query| query.to_ascii_lowercase().contains("union"));
    let sides = |split: usize| all.iter().filter(|(of, _)| *of == split).count();
    all.iter()
        .filter(|(split, _)| is_union || sides(*split) == 1)
        .cloned()
        .collect()
}

fn input_span(scene: &Scene<'_>, step: usize, input: &str) -> Span {
    let entry = scene.draft.step_entry(step);
    entry.map_or(scene.draft.root.span, |entry| {
        let node = entry.value.get("inputs").and_then(|inputs| inputs.get(input));
        node.map_or(entry.key_span, |node| node.span)
    })
}

fn name<'s>(scene: &'s Scene<'_>, step: usize) -> &'s str {
    scene
        .draft
        .spec
        .steps
        .get_index(step)
        .map_or("?", |(name, _)| name)
}

/// What stands in the file for an output of a step, with another output of it.
fn sibling(scene: &Scene<'_>, step: usize, output: &str) -> Option<String> {
    let (name, spec) = scene.draft.spec.steps.get_index(step)?;
    spec.outputs
        .contains_key(output)
        .then(|| format!("{name}.{output}"))
}

/// Test rows among those that a model learns from, or is chosen by.
fn learning(scene: &Scene<'_>, view: &View<'_>, learner: usize, findings: &mut Vec<super::Finding>) {
    let downstream = view.downstream(learner);
    let judges_in = |split: usize, steps: &mut dyn Iterator<Item = usize>| {
        steps.filter(|index| judges(&view.steps[*index])).find(|index| {
            view.parts_at(*index, "test")
                .contains(&(split, "test".to_owned()))
        })
    };
    for (input, source) in &view.steps[learner].inputs {
        let is_rows = matches!(input.as_str(), "train" | "valid" | "training" | "validation");
        if !is_rows {
            continue;
        }
        for (split, _) in view.parts_of(source).iter().filter(|(_, side)| side == "test") {
            let judged = judges_in(*split, &mut downstream.iter().copied());
            let judged_elsewhere = judges_in(*split, &mut (0..view.steps.len())).is_some();
            // After the verdict, a last model may learn from all there is; and the inner of two splits
            // keeps its test rows for choosing, if the outer ones judge.
            let is_inner = !view.parts_at(*split, "table").is_empty();
            if judged.is_none() && (judged_elsewhere || is_inner) {
                continue;
            }
            let span = input_span(scene, learner, input);
            let does = if input.starts_with("valid") {
                "chooses by"
            } else {
                "learns from"
            };
            let mut finding = found(
                "M04/test-rows-in-training",
                span,
                format!(
                    "`{}` {does} the rows that `{}` keeps for testing",
                    name(scene, learner),
                    name(scene, *split)
                ),
            )
            .label("test rows");
            if let Some(judge) = judged {
                finding = finding.also(input_span(scene, judge, "test"), "judged on the same rows here");
            }
            let side = if input.starts_with("valid") {
                "valid"
            } else {
                "train"
            };
            let direct = matches!(source, Source::Output { step, .. } if step == split);
            finding = match sibling(scene, *split, side).filter(|_| direct) {
                Some(other) => replaced(finding, span, &other),
                None => finding.help(format!(
                    "take the rows that `{}` gives for {side}",
                    name(scene, *split)
                )),
            };
            findings.push(finding);
        }
    }
}

fn replaced(finding: super::Finding, span: Span, other: &str) -> super::Finding {
    let mut finding = finding.help(format!("take `{other}`"));
    finding.0.fix = Some(Fix {
        span,
        replacement: other.to_owned(),
    });
    finding
}

/// A model judged on rows that it has learned from.
fn judging(scene: &Scene<'_>, view: &View<'_>, judge: usize, findings: &mut Vec<super::Finding>) {
    let wired = &view.steps[judge];
    let (Some(model), Some(test)) = (wired.inputs.get("model"), wired.inputs.get("test")) else {
        return;
    };
    let rows = view.parts_of(test);
    let span = input_span(scene, judge, "test");
    if wired.inputs.get("valid") == Some(test) {
        findings.push(
            found(
                "M04/test-rows-in-training",
                input_span(scene, judge, "valid"),
                format!(
                    "`{}` chooses by the very rows that it judges by",
                    name(scene, judge)
                ),
            )
            .label("test rows")
            .also(span, "judged on the same rows here")
            .help("choose by rows that neither trained nor test"),
        );
    }
    for maker in view.makers(model) {
        if !learns(&view.steps[maker]) {
            continue;
        }
        for (input, source) in &view.steps[maker].inputs {
            let is_rows = match input.as_str() {
                "train" => true,
                // Who has no third part can only judge by the second.
                "valid" => {
                    matches!(test, Source::Output { step, .. } if sibling(scene, *step, "test").is_some())
                }
                _ => false,
            };
            if !is_rows {
                continue;
            }
            let learned = view.parts_of(source);
            let shared = learned
                .iter()
                .find(|(_, side)| side != "test")
                .filter(|part| rows.contains(part));
            let is_same = source == test && matches!(source, Source::Output { .. } | Source::Dataset(_));
            // Rows of the test side are told where they are learned from.
            let is_told = learned.iter().any(|(_, side)| side == "test");
            let whole = shared.is_none()
                && rows.iter().any(|(split, side)| {
                    side == "test" && view.steps[*split].inputs.get("table") == Some(source)
                });
            if is_told || !(shared.is_some() || is_same || whole) {
                continue;
            }
            let learner = name(scene, maker);
            if whole {
                let from = input_span(scene, maker, input);
                let split = rows
                    .iter()
                    .find(|(_, side)| side == "test")
                    .map(|(split, _)| *split);
                let mut finding = found(
                    "M04/test-rows-in-training",
                    from,
                    format!("`{learner}` learns from all rows, those kept for testing among them"),
                )
                .label("test rows are in here")
                .also(span, "judged on some of them here");
                finding = match split.and_then(|split| sibling(scene, split, input)) {
                    Some(other) => replaced(finding, from, &other),
                    None => finding.help("take the rows that the split gives for it"),
                };
                findings.push(finding);
                continue;
            }
            let does = if input == "valid" {
                "was chosen by"
            } else {
                "has learned from"
            };
            let mut finding = found(
                "M04/judged-on-training-rows",
                span,
                format!("the model of `{learner}` is judged on rows that it {does}"),
            )
            .label("not test rows")
            .also(input_span(scene, maker, input), "the same rows here");
            let split = shared.map(|(split, _)| *split);
            let direct = matches!(test, Source::Output { step, .. } if Some(*step) == split);
            finding = match split
                .filter(|_| direct)
                .and_then(|split| sibling(scene, split, "test"))
            {
                Some(other) => replaced(finding, span, &other),
                None => finding.help("judge it on rows that were kept back, as a split step gives them"),
            };
            findings.push(finding);
            return;
        }
    }
}

/// The same test rows in more than one decision.
fn deciding(
    scene: &Scene<'_>,
    view: &View<'_>,
    order: &[usize],
    shapes: &BTreeMap<(String, String), Shape>,
    findings: &mut Vec<super::Finding>,
) {
    let mut first: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for judge in order.iter().copied().filter(|index| judges(&view.steps[*index])) {
        let Some((_, spec)) = scene.draft.spec.steps.get_index(judge) else {
            continue;
        };
        let has_gates = match spec.with.get("gates") {
            Some(Value::Array(gates)) => !gates.is_empty(),
            _ => false,
        };
        if !has_gates {
            continue;
        }
        let splits: BTreeSet<usize> = view
            .parts_at(judge, "test")
            .into_iter()
            .filter(|(_, side)| side == "test")
            .map(|(split, _)| split)
            .collect();
        for split in splits {
            let earlier = first.entry(split).or_default();
            let same_question = |other: &&usize| match (
                label(scene, view, **other, shapes),
                label(scene, view, judge, shapes),
            ) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            };
            if let Some(other) = earlier.iter().find(same_question) {
                let span = input_span(scene, judge, "test");
                let (one, two) = (name(scene, *other), name(scene, judge));
                findings.push(
                    found(
                        "M04/test-rows-decide-twice",
                        span,
                        format!("the test rows of `{}` decide in `{one}` and again in `{two}`", name(scene, split)),
                    )
                    .label("decide a second time")
                    .also(input_span(scene, *other, "test"), "decide here")
                    .note("the more often the same rows decide, the more the winner owes to chance")
                    .help("put all gates into one step, or choose by `valid` and keep `test` for the last verdict"),
                );
            }
            earlier.push(judge);
            if spec.matrix.is_some()
                && let Some((chooser, at)) = chooser(scene, view, judge)
            {
                findings.push(
                    found(
                        "M04/test-rows-decide-twice",
                        at,
                        format!(
                            "`{chooser}` chooses among the cells of `{}` by the test rows that judge them",
                            name(scene, judge)
                        ),
                    )
                    .label("chosen by test rows")
                    .also(input_span(scene, judge, "test"), "test rows")
                    .help("choose by metrics on `valid`, then judge the one that was chosen"),
                );
            }
        }
    }
}

/// The label that the judged model answers, if that is known.
fn label(
    scene: &Scene<'_>,
    view: &View<'_>,
    judge: usize,
    shapes: &BTreeMap<(String, String), Shape>,
) -> Option<String> {
    let Some(Source::Output { step, output, .. }) = view.steps[judge].inputs.get("model") else {
        return None;
    };
    match shapes.get(&(name(scene, *step).to_owned(), output.clone())) {
        Some(Shape::Model { label, .. }) => label.clone(),
        _ => None,
    }
}

/// Whoever takes the best cell of a matrix of verdicts: its name and where it says so.
fn chooser(scene: &Scene<'_>, view: &View<'_>, judge: usize) -> Option<(String, Span)> {
    let judged = name(scene, judge);
    for (index, step) in view.steps.iter().enumerate() {
        let entry = scene.draft.step_entry(index)?;
        for (input, source) in &step.inputs {
            if matches!(source, Source::Output { step, all: true, output }
                if *step == judge && view.steps[judge].outputs.get(output).is_some_and(|o| o.kind == ArtifactKind::Metrics))
                && learns(step)
            {
                return Some((name(scene, index).to_owned(), input_span(scene, index, input)));
            }
        }
        let mut place = None;
        entry
            .value
            .each_text(&trainyard_contract::Path::root(), &mut |_, node, text| {
                let picks = [format!("argmax(steps.{judged}"), format!("argmin(steps.{judged}")];
                if place.is_none() && picks.iter().any(|pick| text.contains(pick.as_str())) {
                    place = Some(node.span);
                }
            });
        if let Some(span) = place {
            return Some((name(scene, index).to_owned(), span));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::pipeline::fixture::findings;

    /// Features, a split of them, and the steps given; findings without those of unused things.
    fn found(steps: &str) -> Vec<String> {
        let text = format!(
            "\
version: 1
name: p
include: [../contracts/flights.yaml]
datasets: {{flights: {{path: data/flights.csv, contract: flights}}}}
steps:
  features: {{uses: features.build@v1, inputs: {{flights: flights}}, with: {{keep: [carrier, distance], label: {{expr: arr_delay > 15}}}}}}
  split: {{uses: split.time@v1, inputs: {{table: features.table}}, outputs: {{train: {{type: table}}, valid: {{type: table}}, test: {{type: table}}}}}}
{steps}"
        );
        let mut found = findings(&text);
        found.retain(|found| !found.starts_with("S06") && !found.starts_with("D06"));
        found
    }

    fn train(name: &str, inputs: &str) -> String {
        format!("  {name}: {{uses: train.classifier@v1, inputs: {{{inputs}}}, with: {{seed: 1}}}}\n")
    }

    fn judge(name: &str, inputs: &str) -> String {
        format!(
            "  {name}: {{uses: evaluate.classifier@v1, inputs: {{{inputs}}}, with: {{gates: [{{metric: roc_auc, must_be_at_least: 0.6}}]}}}}\n"
        )
    }

    #[test]
    fn rows_that_test_do_not_train_nor_choose() {
        let evaluate = judge("evaluate", "model: t.model, test: split.test");
        for (inputs, expected) in [
            (
                "train: split.train, valid: split.test",
                "M04/test-rows-in-training 8:70 split.test",
            ),
            ("train: split.test", "M04/test-rows-in-training 8:50 split.test"),
            (
                "train: features.table",
                "M04/test-rows-in-training 8:50 features.table",
            ),
        ] {
            assert_eq!(found(&(train("t", inputs) + &evaluate)), [expected], "{inputs}");
        }
        assert_eq!(
            found(&(train("t", "train: split.train, valid: split.valid") + &evaluate)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn rows_are_followed_along_the_tables_made_of_them() {
        let steps =
            "  more: {uses: ingest.files@v1, inputs: {rows: split.test}, outputs: {rows: {type: table}}}\n"
                .to_owned()
                + &train("t", "train: more.rows")
                + &judge("evaluate", "model: t.model, test: split.test");
        assert_eq!(found(&steps), ["M04/test-rows-in-training 9:50 more.rows"]);
    }

    #[test]
    fn a_model_is_not_judged_on_what_it_learned_from() {
        let trained = train("t", "train: split.train, valid: split.valid");
        for (rows, column) in [("split.train", 75), ("split.valid", 75)] {
            let steps = trained.clone() + &judge("evaluate", &format!("model: t.model, test: {rows}"));
            assert_eq!(
                found(&steps),
                [format!("M04/judged-on-training-rows 9:{column} {rows}")]
            );
        }
    }

    #[test]
    fn test_rows_decide_once() {
        let both = train("a", "train: split.train")
            + &train("b", "train: split.train")
            + &judge("judge_a", "model: a.model, test: split.test")
            + &judge("judge_b", "model: b.model, test: split.test");
        assert_eq!(found(&both), ["M04/test-rows-decide-twice 11:74 split.test"]);
    }

    #[test]
    fn what_sound_pipelines_do_with_their_rows_is_no_fault() {
        let evaluate = judge("evaluate", "model: t.model, test: split.test");
        let trained = train("t", "train: split.train, valid: split.valid");
        // A last model that learns from everything once the verdict is given.
        let last = trained.clone() + &evaluate + &train("last", "train: features.table");
        assert_eq!(found(&last), Vec::<String>::new());
        // The inner split's rows choose, the outer one's judge.
        let inner = "  inner: {uses: split.time@v1, inputs: {table: split.train}, outputs: {train: {type: table}, test: {type: table}}}\n";
        let nested = inner.to_owned() + &train("t", "train: inner.train, valid: inner.test") + &evaluate;
        assert_eq!(found(&nested), Vec::<String>::new());
        // Two scripts of one's own that take both sides.
        let script = "  s: {run: 'true', inputs: {train: split.train, test: split.test}, outputs: {scores: {type: file}}}\n";
        assert_eq!(
            found(&(script.to_owned() + &trained + &evaluate)),
            Vec::<String>::new()
        );
    }
}
