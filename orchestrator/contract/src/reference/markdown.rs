//! The reference as Markdown.

use super::{Parameter, Port, StepReference};
use std::fmt::Write;

/// The reference of all steps as one document.
pub fn document(steps: &[StepReference]) -> String {
    let mut text = String::from(
        "# Steps\n\nEvery kind of step with its inputs, outputs and parameters. Made by \
         `trainyard steps list --format markdown` from the steps' own signatures; a test keeps it so.\n\n",
    );
    for step in steps {
        let _ = writeln!(
            text,
            "- [`{0}`](#{1}): {2}",
            step.uses,
            anchor(&step.uses),
            step.doc
        );
    }
    for step in steps {
        text.push('\n');
        text.push_str(&section(step));
    }
    text
}

/// The anchor that a heading gets.
fn anchor(uses: &str) -> String {
    let kept = uses
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter));
    kept.collect()
}

/// One step.
pub fn section(step: &StepReference) -> String {
    let mut text = format!("## `{}`\n\n{}", step.uses, step.doc);
    let _ = write!(text, " Runs {}.", step.runs);
    if !step.changes.is_empty() {
        let _ = write!(text, " Changes {}.", step.changes);
    }
    text.push_str("\n\n");
    for (title, ports) in [("input", &step.inputs), ("output", &step.outputs)] {
        if !ports.is_empty() {
            let _ = writeln!(text, "| {title} | type | | meaning |\n| --- | --- | --- | --- |");
            ports.iter().for_each(|port| text.push_str(&port_line(port)));
            text.push('\n');
        }
    }
    if step.parameters.is_empty() {
        text.push_str("No parameters.\n");
        return text;
    }
    text.push_str(
        "| parameter | type | default | range | unit | meaning | source |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    step.parameters
        .iter()
        .for_each(|parameter| text.push_str(&parameter_line(parameter)));
    text
}

fn port_line(port: &Port) -> String {
    let needed = match (port.required, port.many) {
        (true, false) => "required",
        (true, true) => "required, one or a matrix",
        (false, true) => "one or a matrix",
        (false, false) => "",
    };
    format!(
        "| `{}` | {} | {needed} | {} |\n",
        port.name,
        port.kind,
        cell(&port.doc)
    )
}

fn parameter_line(parameter: &Parameter) -> String {
    let mut meaning = cell(&parameter.doc);
    if !parameter.values.is_empty() {
        let each: Vec<String> = parameter
            .values
            .iter()
            .map(|(word, doc)| match doc.is_empty() {
                true => format!("`{word}`"),
                false => format!("`{word}`: {}", cell(doc.trim_end_matches('.'))),
            })
            .collect();
        let _ = write!(meaning, "<br>{}", each.join("<br>"));
    }
    if !parameter.algorithms.is_empty() {
        let names: Vec<String> = parameter
            .algorithms
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        let _ = write!(meaning, "<br>For {}.", names.join(", "));
    }
    let default = match parameter.required {
        true => "required".to_owned(),
        false => cell(&parameter.default),
    };
    format!(
        "| `{}` | {} | {default} | {} | {} | {meaning} | {} |\n",
        parameter.path,
        cell(&parameter.of),
        cell(&parameter.range),
        cell(&parameter.unit),
        cell(&parameter.source),
    )
}

/// Text that does not end a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_in_a_text_does_not_end_its_cell() {
        let step = StepReference {
            uses: "a.b@v1".into(),
            doc: "Does.".into(),
            runs: "in a worker process",
            changes: String::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            parameters: vec![Parameter {
                path: "p".into(),
                of: "text".into(),
                doc: "One | two.".into(),
                ..Parameter::default()
            }],
        };
        let text = document(std::slice::from_ref(&step));
        assert!(
            text.contains("| `p` | text |  |  |  | One \\| two. |  |"),
            "{text}"
        );
        assert!(text.contains("(#abv1)"), "{text}");
    }
}
