//! What a pipeline takes from those it uses: outputs and order.

use super::Expander;
use super::scope::{template_of, text};
use super::sub_pipeline::Given;
use crate::expression::{Replacement, Substitution};
use crate::pipeline::checks::{Finding, found};
use crate::pipeline::reader::{Content, Node};
use crate::pipeline::wiring::Reference;
use std::collections::BTreeMap;
use trainyard_contract::finding::nearest;

type Uses = BTreeMap<String, Given>;

/// `steps.USE.outputs.NAME` as the step that makes it.
struct Outputs<'u>(&'u Uses);

impl Substitution for Outputs<'_> {
    fn member(&self, _: &str, _: &str) -> Option<Replacement> {
        None
    }

    fn output(&self, step: &str, output: &str) -> Option<(String, String)> {
        let (step, output, _) = self.0.get(step)?.outputs.get(output)?;
        Some((step.clone(), output.clone()))
    }
}

impl Expander<'_, '_> {
    /// Replaces all names of uses in a document, and in what is still to be checked of it.
    pub(super) fn connect(&mut self, root: &mut Node, uses: &Uses, first: (usize, usize)) {
        let mut findings = Vec::new();
        let Content::Map(sections) = &mut root.content else {
            return;
        };
        for section in sections {
            match &*section.key {
                "steps" => {
                    let Content::Map(steps) = &mut section.value.content else {
                        continue;
                    };
                    for step in steps {
                        if !connect_step(&mut step.value, uses, &mut findings) {
                            self.out.damaged.insert(step.key.to_string());
                        }
                    }
                }
                "outputs" => {
                    references(&mut section.value, uses, &mut findings);
                }
                "alerts" => {
                    monitors(&mut section.value, uses, &mut findings);
                    expressions(&mut section.value, uses, &mut findings);
                }
                _ => expressions(&mut section.value, uses, &mut findings),
            }
        }
        let mut quiet = Vec::new();
        for argument in self.out.arguments.iter_mut().skip(first.0) {
            expressions(&mut argument.node, uses, &mut quiet);
        }
        for handed in self.out.handed.iter_mut().skip(first.1) {
            if let Some(Ok(next)) = reference(&handed.source, uses) {
                handed.source = next;
            }
        }
        findings.into_iter().for_each(|finding| self.add(finding));
    }
}

/// False if an input was taken out since its use does not give it.
fn connect_step(step: &mut Node, uses: &Uses, findings: &mut Vec<Finding>) -> bool {
    let Content::Map(entries) = &mut step.content else {
        return true;
    };
    let mut complete = true;
    for entry in entries {
        match &*entry.key {
            "inputs" => complete &= references(&mut entry.value, uses, findings),
            "needs" => needs(&mut entry.value, uses),
            _ => expressions(&mut entry.value, uses, findings),
        }
    }
    complete
}

/// The reference behind `use.output`; an error if the use gives no such output.
fn reference(written: &str, uses: &Uses) -> Option<Result<String, String>> {
    let Some(Reference::Output { step, output, .. }) = Reference::parse(written) else {
        return None;
    };
    let given = uses.get(step)?;
    Some(match given.outputs.get(output) {
        Some((step, output, all)) => Ok(format!("{step}{}.{output}", if *all { "[*]" } else { "" })),
        None => Err(output.to_owned()),
    })
}

/// Takes out what no use gives, which is reported; false if there was any.
fn references(map: &mut Node, uses: &Uses, findings: &mut Vec<Finding>) -> bool {
    let Content::Map(entries) = &mut map.content else {
        return true;
    };
    let before = entries.len();
    entries.retain_mut(|entry| {
        connect_reference(&mut entry.value, uses, findings);
        entry.value.content != Content::Unknown
    });
    entries.len() == before
}

fn connect_reference(node: &mut Node, uses: &Uses, findings: &mut Vec<Finding>) {
    let Some(written) = node.text().map(str::to_owned) else {
        return;
    };
    match reference(&written, uses) {
        None => {}
        Some(Ok(next)) => node.content = text(&next),
        Some(Err(output)) => {
            let step = written.split(['.', '[']).next().unwrap_or_default();
            findings.push(unknown(node, uses, step, &output));
            node.content = Content::Unknown;
        }
    }
}

fn monitors(alerts: &mut Node, uses: &Uses, findings: &mut Vec<Finding>) {
    let Content::Map(alerts) = &mut alerts.content else {
        return;
    };
    for alert in alerts {
        let Content::Map(keys) = &mut alert.value.content else {
            continue;
        };
        for target in keys.iter_mut().filter(|key| &*key.key == "target") {
            if let Content::Map(parts) = &mut target.value.content {
                for part in parts.iter_mut().filter(|part| &*part.key == "monitor") {
                    connect_reference(&mut part.value, uses, findings);
                }
            }
        }
    }
}

/// Order after a use is order after all of its steps.
fn needs(list: &mut Node, uses: &Uses) {
    let Content::List(items) = &mut list.content else {
        return;
    };
    let all = std::mem::take(items).into_iter().flat_map(|item| {
        let steps = item
            .text()
            .and_then(|name| uses.get(name))
            .map(|given| &given.steps);
        match steps {
            None => vec![item],
            Some(steps) => steps
                .iter()
                .map(|step| Node {
                    span: item.span,
                    content: text(step),
                })
                .collect(),
        }
    });
    *items = all.collect();
}

fn expressions(node: &mut Node, uses: &Uses, findings: &mut Vec<Finding>) {
    match &mut node.content {
        Content::List(items) => {
            items
                .iter_mut()
                .for_each(|item| expressions(item, uses, findings));
            return;
        }
        Content::Map(entries) => {
            for entry in entries {
                expressions(&mut entry.value, uses, findings);
            }
            return;
        }
        Content::Scalar(_) | Content::Unknown => {}
    }
    let Some(template) = template_of(node) else { return };
    let mut unknown_ones = 0;
    for mention in template.references().mentions {
        let Some(name) = mention.name.as_deref().filter(|_| mention.root == "steps") else {
            continue;
        };
        let Some(given) = uses.get(name) else { continue };
        match mention.output.as_deref() {
            Some(output) if given.outputs.contains_key(output) => {}
            Some(output) => {
                findings.push(unknown(node, uses, name, output));
                unknown_ones += 1;
            }
            None => {
                let message = format!("`{name}` is a pipeline, of which only its outputs are seen");
                let finding = found("S02/unknown-output", node.span, message)
                    .label("not an output")
                    .help(format!(
                        "write `steps.{name}.outputs.NAME`; it gives {}",
                        listed(given)
                    ));
                findings.push(finding);
                unknown_ones += 1;
            }
        }
    }
    if unknown_ones > 0 {
        node.content = Content::Unknown;
    } else if let Some(next) = template.substitute(&Outputs(uses)) {
        node.content = text(&next);
    }
}

fn listed(given: &Given) -> String {
    let names: Vec<&str> = given.outputs.keys().map(String::as_str).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

fn unknown(node: &Node, uses: &Uses, step: &str, output: &str) -> Finding {
    let Some(given) = uses.get(step) else {
        return found("S02/unknown-output", node.span, "no such output");
    };
    let message = format!("`{step}` (pipeline `{}`) gives no output `{output}`", given.name);
    let finding = found("S02/unknown-output", node.span, message).label("no such output");
    match nearest(output, given.outputs.keys().map(String::as_str)) {
        Some(near) => finding.help(format!("did you mean `{step}.{near}`?")),
        None if given.outputs.is_empty() => finding.help(format!(
            "name it under `outputs:` of that pipeline: `outputs: {{{output}: step.output}}`"
        )),
        None => finding.help(format!("it gives {}", listed(given))),
    }
}
