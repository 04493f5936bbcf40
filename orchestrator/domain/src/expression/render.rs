//! All templates within a JSON value.

use super::{Context, ExpressionError, Template};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use trainyard_contract::{Path, Segment};

/// Which text of a value could not be rendered, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not evaluate `{path}`")]
pub struct RenderError {
    /// From the root of the value that was given.
    pub path: Path,
    /// Positions are bytes of the text at `path`.
    #[source]
    pub error: ExpressionError,
}

/// A value of which some texts wait for names that are not known yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Partial {
    pub value: Value,
    /// Paths of the texts that were left as written.
    pub unknown: BTreeSet<Path>,
}

/// The value with all its texts evaluated; keys of maps are not evaluated.
///
/// # Errors
/// The first text that is no template or has no value.
pub fn render(value: &Value, context: &dyn Context) -> Result<Value, RenderError> {
    render_known(value, context, &[]).map(|partial| partial.value)
}

/// The value with all texts evaluated but those that mention one of `unknown_roots`, which stay as
/// they are.
///
/// # Errors
/// As [`render`].
pub fn render_known(
    value: &Value,
    context: &dyn Context,
    unknown_roots: &[&str],
) -> Result<Partial, RenderError> {
    let mut rendering = Rendering {
        context,
        unknown_roots,
        path: Vec::new(),
        unknown: BTreeSet::new(),
    };
    let value = rendering.value(value)?;
    Ok(Partial {
        value,
        unknown: rendering.unknown,
    })
}

struct Rendering<'a> {
    context: &'a dyn Context,
    unknown_roots: &'a [&'a str],
    path: Vec<Segment>,
    unknown: BTreeSet<Path>,
}

impl Rendering<'_> {
    fn value(&mut self, value: &Value) -> Result<Value, RenderError> {
        match value {
            Value::String(text) if Template::is_in(text) => self.text(text),
            Value::Array(items) => {
                let mut rendered = Vec::with_capacity(items.len());
                for (at, item) in items.iter().enumerate() {
                    rendered.push(self.within(Segment::Index(at), item)?);
                }
                Ok(Value::Array(rendered))
            }
            Value::Object(members) => {
                let mut rendered = Map::with_capacity(members.len());
                for (key, member) in members {
                    let value = self.within(Segment::Key(key.clone()), member)?;
                    rendered.insert(key.clone(), value);
                }
                Ok(Value::Object(rendered))
            }
            other => Ok(other.clone()),
        }
    }

    fn within(&mut self, segment: Segment, value: &Value) -> Result<Value, RenderError> {
        self.path.push(segment);
        let rendered = self.value(value);
        self.path.pop();
        rendered
    }

    fn text(&mut self, text: &str) -> Result<Value, RenderError> {
        let here = |error| RenderError {
            path: Path(self.path.clone()),
            error,
        };
        let template = Template::parse(text).map_err(here)?;
        let references = template.references();
        if references
            .roots()
            .iter()
            .any(|root| self.unknown_roots.contains(root))
        {
            self.unknown.insert(Path(self.path.clone()));
            return Ok(Value::String(text.to_owned()));
        }
        template.evaluate(self.context).map_err(here)
    }
}
