//! Names of an expression replaced by what they stand for: how a part of a document becomes part of
//! another.

use super::syntax::{Kind, Name, Node};
use super::{Expression, ExpressionError, Template};
use serde_json::Value;
use std::sync::Arc;

/// What stands in place of a name.
#[derive(Clone, Debug)]
pub enum Replacement {
    /// Another name below the same root: `steps.a` becomes `steps.b`.
    Name(String),
    Expression(Expression),
}

/// Which names are replaced, and by what.
pub trait Substitution {
    /// In place of `root.name`.
    fn member(&self, root: &str, name: &str) -> Option<Replacement>;

    /// In place of `steps.STEP.outputs.OUTPUT`: step and output.
    fn output(&self, _step: &str, _output: &str) -> Option<(String, String)> {
        None
    }
}

impl Expression {
    /// A value as an expression; texts in it are read as templates.
    ///
    /// # Errors
    /// The first text that is no template.
    pub fn of_value(value: &Value) -> Result<Self, ExpressionError> {
        Ok(Self {
            root: Arc::new(node_of(value)?),
        })
    }

    /// The expression with names replaced; `None` if it mentions none of them.
    pub(super) fn substitute(&self, substitution: &dyn Substitution) -> Option<Self> {
        let mut root = self.root.as_ref().clone();
        replace(&mut root, substitution).then(|| Self { root: Arc::new(root) })
    }

    pub(super) fn node(&self) -> &Node {
        &self.root
    }

    /// Root and name of an expression that is nothing but `root.name`.
    pub fn plain_name(&self) -> Option<(&str, &str)> {
        match &self.root.kind {
            Kind::Member(of, name) => match &of.kind {
                Kind::Root(root) => Some((root, &name.text)),
                _ => None,
            },
            _ => None,
        }
    }
}

fn node_of(value: &Value) -> Result<Node, ExpressionError> {
    let kind = match value {
        Value::Null => Kind::Null,
        Value::Bool(value) => Kind::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => Kind::Integer(value),
            None => Kind::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) if Template::is_in(text) => return Ok(Template::parse(text)?.into_node()),
        Value::String(text) => Kind::Text(text.clone()),
        Value::Array(items) => Kind::List(items.iter().map(node_of).collect::<Result<_, _>>()?),
        Value::Object(members) => Kind::Map(
            members
                .iter()
                .map(|(key, value)| Ok((name(key), node_of(value)?)))
                .collect::<Result<_, _>>()?,
        ),
    };
    Ok(Node { at: 0..0, kind })
}

fn name(text: &str) -> Name {
    Name {
        at: 0..0,
        text: text.to_owned(),
    }
}

/// Whether anything was replaced.
fn replace(node: &mut Node, by: &dyn Substitution) -> bool {
    if let Kind::Member(of, last) = &mut node.kind {
        if let Some((step, output)) = output_of(of, &last.text)
            && let Some((step, output)) = by.output(&step, &output)
        {
            last.text = output;
            if let Kind::Member(outputs_of, _) = &mut of.kind
                && let Kind::Member(_, written) = &mut outputs_of.kind
            {
                written.text = step;
            }
            return true;
        }
        if let Kind::Root(root) = &of.kind {
            return match by.member(root, &last.text) {
                None => false,
                Some(Replacement::Name(next)) => {
                    last.text = next;
                    true
                }
                Some(Replacement::Expression(expression)) => {
                    *node = expression.node().clone();
                    true
                }
            };
        }
    }
    match &mut node.kind {
        Kind::Null | Kind::Boolean(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Text(_) | Kind::Root(_) => {
            false
        }
        Kind::List(items) | Kind::Call(_, items) => all(items.iter_mut(), by),
        Kind::Map(entries) => all(entries.iter_mut().map(|(_, value)| value), by),
        Kind::Member(of, _) | Kind::Unary(_, of) => replace(of, by),
        Kind::Index(left, right) | Kind::Binary(_, left, right) => {
            all([left.as_mut(), right.as_mut()].into_iter(), by)
        }
        Kind::Choice(condition, then, otherwise) => all(
            [condition.as_mut(), then.as_mut(), otherwise.as_mut()].into_iter(),
            by,
        ),
    }
}

fn all<'n>(nodes: impl Iterator<Item = &'n mut Node>, by: &dyn Substitution) -> bool {
    nodes.fold(false, |changed, node| replace(node, by) | changed)
}

/// Step and output of `steps.STEP.outputs` and the name behind it.
fn output_of(outputs: &Node, last: &str) -> Option<(String, String)> {
    let Kind::Member(step, word) = &outputs.kind else {
        return None;
    };
    let Kind::Member(steps, name) = &step.kind else {
        return None;
    };
    let is_steps = matches!(&steps.kind, Kind::Root(root) if root == "steps");
    (is_steps && word.text == "outputs").then(|| (name.text.clone(), last.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct Inside;

    impl Substitution for Inside {
        fn member(&self, root: &str, name: &str) -> Option<Replacement> {
            match (root, name) {
                ("params", "late") => {
                    let value = json!("${{ params.most - 5 }}");
                    Some(Replacement::Expression(Expression::of_value(&value).ok()?))
                }
                ("params", "names") => Some(Replacement::Expression(
                    Expression::of_value(&json!(["a", "${{ vars.b }}-c"])).ok()?,
                )),
                ("steps", "train") => Some(Replacement::Name("outer.train".to_owned())),
                _ => None,
            }
        }

        fn output(&self, step: &str, output: &str) -> Option<(String, String)> {
            (step == "inner" && output == "model").then(|| ("inner.fit".to_owned(), "best".to_owned()))
        }
    }

    fn replaced(text: &str) -> Option<String> {
        Template::parse(text).unwrap().substitute(&Inside)
    }

    #[test]
    fn names_become_what_they_stand_for_and_keep_their_places_in_the_expression() {
        assert_eq!(
            replaced("${{ 2 * params.late }} min").as_deref(),
            Some("${{ 2 * (params.most - 5) }} min")
        );
        assert_eq!(
            replaced("${{ steps.train.outputs.model.rows }}").as_deref(),
            Some("${{ steps['outer.train'].outputs.model.rows }}")
        );
        assert_eq!(
            replaced("${{ argmax(steps.train, 'metrics.auc').matrix.a }}").as_deref(),
            Some("${{ argmax(steps['outer.train'], 'metrics.auc').matrix.a }}")
        );
        assert_eq!(
            replaced("${{ steps.inner.outputs.model }}").as_deref(),
            Some("${{ steps['inner.fit'].outputs.best }}")
        );
        assert_eq!(
            replaced("${{ 'x' in params.names }}").as_deref(),
            Some("${{ 'x' in ['a', join([string(vars.b), '-c'], '')] }}")
        );
    }

    #[test]
    fn what_mentions_none_of_the_names_stays_as_it_is_written() {
        assert_eq!(replaced("${{  params.other+1 }}"), None);
        assert_eq!(replaced("plain"), None);
    }

    #[test]
    fn a_name_that_is_all_of_an_expression_is_told() {
        let template = Template::parse("${{ params.x }}").unwrap();
        assert_eq!(template.single().unwrap().plain_name(), Some(("params", "x")));
        let template = Template::parse("${{ params.x.y }}").unwrap();
        assert_eq!(template.single().unwrap().plain_name(), None);
    }
}
