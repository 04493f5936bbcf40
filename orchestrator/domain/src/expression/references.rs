//! The names that an expression mentions.

use super::function::Function;
use super::syntax::{Kind, Node};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// All names that an expression mentions, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    pub mentions: Vec<Mention>,
}

/// One name as mentioned: `steps.train.outputs.model` has the root `steps`, the name `train` and
/// the output `model`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    pub root: String,
    /// `None` where the root stands alone or is asked for a computed name: then any may be meant.
    pub name: Option<String>,
    /// For steps: the output, where one is written out.
    pub output: Option<String>,
    /// Bytes of the name, or of the root where it stands alone.
    pub at: Range<usize>,
    /// Bytes of the output's name.
    pub output_at: Option<Range<usize>>,
}

impl References {
    /// All roots mentioned.
    pub fn roots(&self) -> BTreeSet<&str> {
        self.mentions
            .iter()
            .map(|mention| mention.root.as_str())
            .collect()
    }

    /// Names mentioned under a root, e.g. `params`.
    pub fn names(&self, root: &str) -> BTreeSet<&str> {
        let of_root = self.mentions.iter().filter(|mention| mention.root == root);
        of_root.filter_map(|mention| mention.name.as_deref()).collect()
    }

    /// Whether a root stands alone or is asked for a computed name, so that every name under it may
    /// be meant.
    pub fn mentions_all_of(&self, root: &str) -> bool {
        self.mentions
            .iter()
            .any(|mention| mention.root == root && mention.name.is_none())
    }

    /// Steps mentioned, each with the outputs that are written out.
    pub fn steps(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut steps = BTreeMap::<&str, BTreeSet<&str>>::new();
        for mention in self.mentions.iter().filter(|mention| mention.root == "steps") {
            let Some(name) = mention.name.as_deref() else {
                continue;
            };
            steps.entry(name).or_default().extend(mention.output.as_deref());
        }
        steps
    }
}

pub(super) fn collect(node: &Node, into: &mut References) {
    match &node.kind {
        Kind::Null | Kind::Boolean(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Text(_) => {}
        Kind::List(items) => items.iter().for_each(|item| collect(item, into)),
        Kind::Map(entries) => entries.iter().for_each(|(_, value)| collect(value, into)),
        Kind::Root(_) | Kind::Member(..) | Kind::Index(..) => chain(node, into),
        Kind::Call(function, arguments) => {
            let first = into.mentions.len();
            arguments.iter().for_each(|argument| collect(argument, into));
            if let (Function::Argmax | Function::Argmin, Some(Kind::Text(path)), Some(mention)) = (
                function,
                arguments.get(1).map(|path| &path.kind),
                into.mentions.get_mut(first),
            ) && let Some(rest) = path.strip_prefix("outputs.")
                && mention.root == "steps"
            {
                mention
                    .output
                    .get_or_insert_with(|| rest.split('.').next().unwrap_or(rest).to_owned());
            }
        }
        Kind::Unary(_, operand) => collect(operand, into),
        Kind::Binary(_, left, right) => {
            collect(left, into);
            collect(right, into);
        }
        Kind::Choice(condition, then, otherwise) => {
            collect(condition, into);
            collect(then, into);
            collect(otherwise, into);
        }
    }
}

/// `root.name[index].outputs.name`, from its end to its root.
fn chain(node: &Node, into: &mut References) {
    let mut names = Vec::new();
    let mut computed = Vec::new();
    let mut at_root_computed = false;
    let mut current = node;
    loop {
        match &current.kind {
            Kind::Member(of, name) => {
                names.push(name);
                at_root_computed = false;
                current = of;
            }
            Kind::Index(of, index) => {
                computed.push(index.as_ref());
                at_root_computed = true;
                current = of;
            }
            Kind::Root(root) => {
                names.reverse();
                let name = if at_root_computed { None } else { names.first() };
                let output = match (root.as_str(), names.get(1), names.get(2)) {
                    ("steps", Some(outputs), Some(output)) if name.is_some() && outputs.text == "outputs" => {
                        Some(output)
                    }
                    _ => None,
                };
                into.mentions.push(Mention {
                    root: root.clone(),
                    name: name.map(|name| name.text.clone()),
                    output: output.map(|output| output.text.clone()),
                    at: name.map_or_else(|| current.at.clone(), |name| name.at.clone()),
                    output_at: output.map(|output| output.at.clone()),
                });
                break;
            }
            _ => {
                // A member of a call's result: the members of the call's first step are not known
                // to be its outputs, so only what the call itself mentions counts.
                let first = into.mentions.len();
                collect(current, into);
                names.reverse();
                if let (Kind::Call(Function::Argmax | Function::Argmin, _), [outputs, output, ..]) =
                    (&current.kind, names.as_slice())
                    && outputs.text == "outputs"
                    && let Some(mention) = into.mentions.get(first)
                    && mention.root == "steps"
                {
                    let named = Mention {
                        output: Some(output.text.clone()),
                        output_at: Some(output.at.clone()),
                        ..mention.clone()
                    };
                    into.mentions.push(named);
                }
                break;
            }
        }
    }
    computed.iter().rev().for_each(|index| collect(index, into));
}
