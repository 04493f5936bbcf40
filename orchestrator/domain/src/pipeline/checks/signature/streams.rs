//! Streams that a model is deployed with, against what it takes and gives.

use super::{Model, NamedSchema, Shapes, at, named, online, root};
use crate::avro::{self, Mismatch};
use crate::diagnostic::Span;
use crate::pipeline::checks::{Scene, found};
use crate::pipeline::draft::{local_file, schema_file};
use crate::pipeline::wiring::Source;

/// The model that a step deploys: the step that makes it, and its output there.
struct Deployed {
    index: usize,
    step: String,
    output: String,
}

/// A stream as the pipeline names it.
pub(super) struct Stream {
    pub(super) name: String,
    /// Where the pipeline names it.
    pub(super) place: Span,
    /// Schema of its records, if it says one that is right.
    pub(super) schema: Option<NamedSchema>,
}

pub(super) fn run(scene: &mut Scene<'_>, shapes: &Shapes) {
    let draft = scene.draft;
    for (index, (step, spec)) in draft.spec.steps.iter().enumerate() {
        if !spec.with.contains_key("streams") {
            continue;
        }
        let Some(model) = deployed(scene, index) else {
            continue;
        };
        let known = Model::of(scene, shapes, model.index, &model.step, &model.output);
        if let Some(stream) = stream_of(scene, step, "input") {
            let of_model = named(scene, model.index, &model.output, "input_schema");
            if let (Some(written), Some(read)) = (&stream.schema, &of_model) {
                let place = (stream.place, read.place);
                tell(scene, &stream.name, "brings", (written, read), place, false);
            }
            online::run(scene, shapes, &known, &stream);
        }
        if let Some(stream) = stream_of(scene, step, "output") {
            let of_model = named(scene, model.index, &model.output, "output_schema");
            if let (Some(written), Some(read)) = (&of_model, &stream.schema) {
                let place = (stream.place, written.place);
                tell(scene, &stream.name, "takes", (written, read), place, true);
            }
        }
    }
}

/// Tells what keeps the reader from reading. `place` is where the stream is named, and the model's schema.
fn tell(
    scene: &mut Scene<'_>,
    stream: &str,
    verb: &str,
    (written, read): (&NamedSchema, &NamedSchema),
    (place, model): (Span, Span),
    is_output: bool,
) {
    // The same file says the same twice.
    if written.path == read.path {
        return;
    }
    for Mismatch {
        field,
        writer,
        reader,
        message,
    } in avro::resolve(&written.schema, &read.schema)
    {
        let what = if field.is_empty() {
            "a record".to_owned()
        } else {
            format!("`{field}`")
        };
        let side = if is_output {
            "the model gives"
        } else {
            "the model takes"
        };
        let (stream_text, model_text) = (format!("what `{stream}` {verb}"), format!("what {side}"));
        let (written_text, read_text) = match is_output {
            true => (model_text, stream_text),
            false => (stream_text, model_text),
        };
        let finding = found(
            "D05/stream-schema",
            place,
            format!("`{stream}` does not carry what {side}: {what} {message}"),
        )
        .label("this stream")
        .also(writer, written_text)
        .also(reader, read_text)
        .also(model, "the model's schema")
        .help("make both schemas alike, or give the field that is read a default");
        scene.add(finding);
    }
}

/// Follows a version from the step that deploys it to the step that makes the model.
fn deployed(scene: &Scene<'_>, index: usize) -> Option<Deployed> {
    let mut index = index;
    // A version comes from a step that registers; few steps lie in between.
    for _ in 0..8 {
        let inputs = scene.steps[index].inputs.values();
        let (step, output) = inputs
            .filter_map(|source| match source {
                Source::Output { step, output, .. } => Some((*step, output)),
                _ => None,
            })
            .find(|(step, output)| {
                let kind = scene.steps[*step].outputs.get(*output).map(|output| output.kind);
                use trainyard_contract::ArtifactKind::{Model, ModelVersion};
                matches!(kind, Some(Model | ModelVersion))
            })?;
        let (name, _) = scene.draft.spec.steps.get_index(step)?;
        let kind = scene.steps[step].outputs.get(output)?.kind;
        if kind == trainyard_contract::ArtifactKind::Model {
            return Some(Deployed {
                index: step,
                step: name.clone(),
                output: output.clone(),
            });
        }
        index = step;
    }
    None
}

fn stream_of(scene: &Scene<'_>, step: &str, side: &str) -> Option<Stream> {
    let draft = scene.draft;
    let node = draft
        .root
        .get("steps")?
        .get(step)?
        .get("with")?
        .get("streams")?
        .get(side)?;
    let path = local_file(node.text()?)?;
    let descriptor = root(draft, &path)?;
    let name = descriptor
        .get("name")
        .and_then(|name| name.text())
        .unwrap_or(&path);
    let schema = descriptor.get("schema").and_then(|written| {
        let (path, node) = match schema_file(written) {
            Some(path) => {
                let node = root(draft, &path)?;
                (path, node)
            }
            None => (path.clone(), written),
        };
        let (schema, faults) = avro::read(node);
        Some(NamedSchema {
            path,
            place: written.span,
            schema: schema.filter(|_| faults.is_empty())?,
        })
    });
    Some(Stream {
        name: name.to_owned(),
        place: draft.span(scene.sources, &at(step, &["with", "streams", side])),
        schema,
    })
}
