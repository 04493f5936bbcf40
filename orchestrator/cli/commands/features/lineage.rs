//! What features are made of, and who reads them.

use super::catalogue::{source, unknown};
use crate::output::{Exit, Fault, Terminal};
use serde_json::json;
use trainyard_domain::pipeline::Checked;

pub(super) fn lineage(checked: &Checked, name: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let definitions = &checked.features;
    let (view, feature) = name
        .split_once(':')
        .map_or((name, None), |(view, feature)| (view, Some(feature)));
    let mut from: Vec<String> = Vec::new();
    if let Some(of) = definitions.views.get(view) {
        let names: Vec<&String> = of
            .features
            .keys()
            .filter(|known| feature.is_none_or(|wanted| wanted == *known))
            .collect();
        if names.is_empty() {
            return Err(unknown(definitions, name));
        }
        let origin = source(&of.source);
        for name in names {
            from.push(format!(
                "{view}:{name} <- {origin}, column {}",
                of.column_of(name)
            ));
        }
    } else if let Some(of) = definitions.on_demand.get(view) {
        for (name, derived) in of
            .features
            .iter()
            .filter(|(known, _)| feature.is_none_or(|wanted| wanted == *known))
        {
            from.push(format!("{view}:{name} <- {}", derived.expr));
        }
        from.extend(of.inputs.iter().map(|input| format!("{view} <- {input}")));
        from.extend(
            of.request
                .iter()
                .map(|field| format!("{view} <- request: {}", field.name)),
        );
    } else {
        return Err(unknown(definitions, name));
    }
    let readers = checked.readers_of_feature(view, feature);
    if terminal.is_json() {
        let readers = readers
            .iter()
            .map(|reader| json!({"kind": reader.kind, "name": reader.name, "pipeline": reader.pipeline}));
        terminal.out_json(&json!({"name": name, "from": from, "readers": readers.collect::<Vec<_>>()}));
        return Ok(Exit::Done);
    }
    for line in from {
        terminal.out(line);
    }
    for reader in readers {
        let of = reader
            .pipeline
            .map_or_else(String::new, |pipeline| format!(" of pipeline {pipeline}"));
        terminal.out(format!("{name} -> {} {}{of}", reader.kind, reader.name));
    }
    Ok(Exit::Done)
}
