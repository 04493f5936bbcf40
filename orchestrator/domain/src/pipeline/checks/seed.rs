//! Chance without a seed (M09).
//!
//! Why: whoever repeats a run wants the same model. Steps that draw numbers say by which seed, and a
//! script that draws some without one gives another result every time, which reuse then hides.
//!
//! ```yaml
//! train: {uses: train.classifier@v1, with: {label: is_late}}      # M09/missing-seed
//! ```

use super::{Scene, found};
use crate::diagnostic::{Fix, Span};
use crate::pipeline::reader::{Content, Node};
use trainyard_contract::ArtifactKind;

pub(super) fn run(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    for (index, (name, step)) in draft.spec.steps.iter().enumerate() {
        let (Some(entry), Some(kind)) = (draft.step_entry(index), scene.steps[index].kind.clone()) else {
            continue;
        };
        if draft.damaged.contains(name) {
            continue;
        }
        if kind.step.uses().starts_with("run.python@") {
            script(scene, name, &entry.value);
            continue;
        }
        let takes_seed = kind.signature.params.pointer("/properties/seed").is_some();
        let learns = scene.steps[index]
            .outputs
            .values()
            .any(|output| output.kind == ArtifactKind::Model);
        let splits = kind.step.uses().starts_with("split.");
        if !takes_seed || !(learns || splits) || step.with.contains_key("seed") {
            continue;
        }
        let span = entry.value.get("uses").map_or(entry.key_span, |uses| uses.span);
        let mut finding = found(
            "M09/missing-seed",
            span,
            format!("`{name}` draws numbers by chance and names no seed"),
        )
        .label("without a seed")
        .note("it takes the default of its kind, which stands nowhere in the pipeline")
        .help("add `seed: 42` to `with:`, or a param");
        finding.0.fix =
            entry
                .value
                .get("with")
                .and_then(|with| in_flow(scene, with))
                .map(|(span, is_empty)| Fix {
                    span,
                    replacement: if is_empty { "seed: 42" } else { ", seed: 42" }.to_owned(),
                });
        scene.add(finding);
    }
}

/// Where one more key goes into a map written `{…}`, and whether it would be the first.
fn in_flow(scene: &Scene<'_>, map: &Node) -> Option<(Span, bool)> {
    let text = scene
        .sources
        .file(map.span.file)?
        .text
        .get(map.span.start..map.span.end)?;
    let is_flow = text.starts_with('{') && text.ends_with('}') && matches!(map.content, Content::Map(_));
    let end = map
        .entries()
        .last()
        .map_or(map.span.end - 1, |last| last.value.span.end);
    is_flow.then(|| {
        let at = Span {
            start: end,
            end,
            ..map.span
        };
        (at, map.entries().is_empty())
    })
}

/// Words by which Python draws numbers, and by which it fixes what is drawn.
const DRAWS: [&str; 12] = [
    "np.random.",
    "numpy.random.",
    "random.random(",
    "random.choice(",
    "random.shuffle(",
    "random.sample(",
    "random.gauss(",
    "random.uniform(",
    "random.randint(",
    "train_test_split(",
    "RandomForest",
    "torch.rand",
];
const FIXES: [&str; 4] = ["seed", "random_state", "RandomState(", "default_rng("];

/// A Python script that draws numbers and fixes none.
fn script(scene: &mut Scene<'_>, name: &str, step: &Node) {
    let Some(node) = step.get("with").and_then(|with| with.get("script")) else {
        return;
    };
    let Some(path) = node.text().and_then(crate::pipeline::draft::local_file) else {
        return;
    };
    let Some(text) = scene
        .files
        .read(&path)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
    else {
        return;
    };
    let code: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.split('#').next().unwrap_or("")))
        .collect();
    let fixed = code
        .iter()
        .any(|(_, line)| FIXES.iter().any(|word| line.contains(word)));
    let drawn = code.iter().find_map(|(at, line)| {
        let word = DRAWS.iter().find(|word| line.contains(**word))?;
        Some((*at, *word))
    });
    let (Some((line, word)), false) = (drawn, fixed) else {
        return;
    };
    let finding = found(
        "M09/missing-seed",
        node.span,
        format!("the script of `{name}` draws numbers by chance and fixes no seed"),
    )
    .label("without a seed")
    .note(format!(
        "`{word}` in line {line} of {path}",
        word = word.trim_end_matches(['(', '.'])
    ))
    .help("take a seed from `params:` and set it, e.g. `random.seed(params[\"seed\"])`");
    scene.add(finding);
}

#[cfg(test)]
mod tests {
    use crate::pipeline::fixture::{checked, project, shown};

    #[test]
    fn a_step_that_learns_names_its_seed() {
        let text = |with: &str| {
            format!(
                "version: 1\nname: p\nsteps:\n  d: {{run: 'x > \"$OUT_t\"', outputs: {{t: {{type: table}}}}}}\n  \
                 t: {{uses: train.classifier@v1, inputs: {{train: d.t}}, with: {{{with}}}}}\n"
            )
        };
        let found = |with: &str| shown(&checked(&project(&text(with)), &["pipelines/p.yaml"], None));
        assert_eq!(found("label: x"), ["M09/missing-seed 5:13 train.classifier@v1"]);
        assert_eq!(found("label: x, seed: 1"), Vec::<String>::new());
    }
}
