//! `trainyard steps`.

use super::catalogue;
use crate::args::{Format, StepsCommand};
use crate::output::{Exit, Fault, Terminal, Tone};
use trainyard_contract::finding::nearest;
use trainyard_contract::reference::{self, Parameter, StepReference};

pub(crate) fn steps(command: &StepsCommand, terminal: &mut Terminal) -> Result<Exit, Fault> {
    match command {
        StepsCommand::List => list(terminal),
        StepsCommand::Show { step, parameter } => show(step, parameter.as_deref(), terminal),
    }
}

fn list(terminal: &mut Terminal) -> Result<Exit, Fault> {
    let all = StepReference::all(&catalogue());
    match terminal.format() {
        Format::Markdown => terminal.out(reference::document(&all).trim_end()),
        Format::Json => terminal.out_json(&serde_json::to_value(&all)?),
        _ => {
            let rows: Vec<Vec<String>> = all
                .into_iter()
                .map(|step| vec![step.uses, step.parameters.len().to_string(), step.doc])
                .collect();
            terminal.table(&["STEP", "PARAMETERS", "DOES"], &[1], &rows);
        }
    }
    Ok(Exit::Done)
}

fn show(name: &str, parameter: Option<&str>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let catalogue = catalogue();
    let found = catalogue
        .iter()
        // The version may be left out.
        .find(|(uses, _)| *uses == name || uses.split_once('@').is_some_and(|(base, _)| base == name));
    let Some((uses, step)) = found else {
        let fault = Fault::new(format!("there is no step `{name}`"));
        return Err(match nearest(name, catalogue.iter().map(|(uses, _)| uses)) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help("`trainyard steps list` lists all"),
        });
    };
    let mut step = StepReference::of(uses, &step.signature());
    if let Some(name) = parameter {
        let inside = |path: &str| {
            path == name
                || path
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        let paths: Vec<String> = step.parameters.iter().map(|one| one.path.clone()).collect();
        step.parameters.retain(|one| inside(&one.path));
        if step.parameters.is_empty() {
            let fault = Fault::new(format!("`{uses}` has no parameter `{name}`"));
            return Err(match nearest(name, paths.iter().map(String::as_str)) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault.help(format!("`trainyard steps show {uses}` lists all")),
            });
        }
    }
    match terminal.format() {
        Format::Markdown => terminal.out(reference::section(&step).trim_end()),
        Format::Json => terminal.out_json(&serde_json::to_value(&step)?),
        _ => print(&step, terminal),
    }
    Ok(Exit::Done)
}

fn print(step: &StepReference, terminal: &mut Terminal) {
    let title = terminal.paint(Tone::Strong, &step.uses);
    terminal.out(title);
    terminal.out(&step.doc);
    for (name, ports) in [("inputs", &step.inputs), ("outputs", &step.outputs)] {
        if ports.is_empty() {
            continue;
        }
        let title = terminal.paint(Tone::Strong, name);
        terminal.out(format!("\n{title}"));
        for port in ports {
            let needed = if port.required { "" } else { " (optional)" };
            terminal.out(format!("  {}: {}{needed}: {}", port.name, port.kind, port.doc));
        }
    }
    let title = terminal.paint(Tone::Strong, "parameters");
    terminal.out(format!("\n{title}"));
    for parameter in &step.parameters {
        let name = terminal.paint(Tone::Busy, &parameter.path);
        terminal.out(format!("  {name}: {}", facts(parameter)));
        for line in wrapped(&parameter.doc, 92) {
            terminal.out(format!("      {line}"));
        }
        for (word, doc) in &parameter.values {
            let line = if doc.is_empty() {
                word.clone()
            } else {
                format!("{word}: {doc}")
            };
            for (nth, line) in wrapped(&line, 88).into_iter().enumerate() {
                let mark = if nth == 0 { "- " } else { "  " };
                terminal.out(format!("      {mark}{line}"));
            }
        }
        if !parameter.algorithms.is_empty() {
            let line = format!("for {}", parameter.algorithms.join(", "));
            for line in wrapped(&line, 92) {
                terminal.out(format!("      {line}"));
            }
        }
        if !parameter.source.is_empty() {
            for line in wrapped(&format!("as {}", parameter.source), 92) {
                let line = terminal.paint(Tone::Quiet, line);
                terminal.out(format!("      {line}"));
            }
        }
    }
}

/// Type, range, unit and default in one line.
fn facts(parameter: &Parameter) -> String {
    let mut facts = vec![parameter.of.clone()];
    if !parameter.range.is_empty() {
        facts.push(parameter.range.clone());
    }
    if !parameter.unit.is_empty() {
        facts.push(format!("in {}", parameter.unit));
    }
    match (parameter.required, parameter.default.is_empty()) {
        (true, _) => facts.push("required".to_owned()),
        (false, false) => facts.push(format!("default {}", parameter.default.replace('`', ""))),
        (false, true) => {}
    }
    facts.join(", ")
}

/// Lines of at most so many letters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
