//! As-of joins that look closer to the event than the data arrive (M06).
//!
//! Why: in training all rows are there, so a join finds what in production has not arrived yet. The
//! contract's `freshness` says how late the newest row may be; a lag of at least that much makes both
//! the same.
//!
//! ```yaml
//! freshness: {max_age: 30h}                                          # contract of weather
//! as_of_join: [{table: weather, by: [origin], lag: 24h}]             # M06/lag-below-delay
//! ```

use super::{Scene, found};
use crate::diagnostic::{Fix, Span};
use crate::pipeline::locate;
use crate::pipeline::wiring::Source;
use serde_json::Value;
use std::collections::BTreeMap;
use trainyard_contract::{Millis, Path, Shape};

/// How late a source may be: its contract, and the delay as written there.
struct Delay {
    contract: String,
    text: String,
    span: Millis,
}

pub(super) fn run(scene: &mut Scene<'_>, shapes: &BTreeMap<(String, String), Shape>) {
    let draft = scene.draft;
    let mut findings = Vec::new();
    for (index, (name, step)) in draft.spec.steps.iter().enumerate() {
        let (Some(Value::Array(joins)), Some(entry)) = (step.with.get("as_of_join"), draft.step_entry(index))
        else {
            continue;
        };
        for (at, join) in joins.iter().enumerate() {
            let text = |key: &str| join.get(key).and_then(Value::as_str);
            let Some(table) = text("table") else { continue };
            if text("direction").is_some_and(|direction| direction != "backward") {
                continue;
            }
            let Some(source) = scene.steps[index].inputs.get(table) else {
                continue;
            };
            let columns: Vec<&str> = join
                .get("columns")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let Some(delay) = delay_of(scene, source, &columns, shapes) else {
                continue;
            };
            let lag = match text("lag") {
                // An expression, or a fault that is told as such.
                Some(lag) => match lag.parse::<Millis>() {
                    Ok(lag) => lag,
                    Err(_) => continue,
                },
                None if join.get("lag").is_none() => Millis(0),
                None => continue,
            };
            if lag >= delay.span {
                continue;
            }
            let path = Path::root().key("with").key("as_of_join").index(at);
            let place = locate::of_path(scene.sources, &entry.value, &path.key("table"));
            let promised = draft.contracts.get(&delay.contract).and_then(|known| {
                let node = known.loaded.root.as_ref()?.get("freshness")?.get("max_age")?;
                Some(node.span)
            });
            let mut finding = match (text("lag"), promised) {
                (Some(written), _) => {
                    let span = locate::of_path(scene.sources, &entry.value, &path.key("lag"));
                    let mut finding = found(
                        "M06/lag-below-delay",
                        span,
                        format!(
                            "`{name}` looks up `{table}` as it was {written} before, and its rows may arrive {} late",
                            delay.text
                        ),
                    )
                    .label("closer than the data arrive")
                    .help(format!("write `lag: {}`", delay.text));
                    finding.0.fix = Some(Fix {
                        span,
                        replacement: delay.text.clone(),
                    });
                    finding
                }
                (None, _) => {
                    let mut finding = found(
                        "M06/lag-below-delay",
                        place,
                        format!(
                            "`{name}` looks up `{table}` without a lag, and its rows may arrive {} late",
                            delay.text
                        ),
                    )
                    .label("has no lag")
                    .help(format!("add `lag: {}`", delay.text));
                    finding.0.fix = in_flow(scene, &entry.value, &path).map(|end| Fix {
                        span: Span {
                            start: end,
                            end,
                            ..place
                        },
                        replacement: format!(", lag: {}", delay.text),
                    });
                    finding
                }
            };
            if let Some(span) = promised {
                finding = finding.also(span, "promised here");
            }
            findings.push(finding);
        }
    }
    scene.out.extend(findings.into_iter().map(super::Finding::done));
}

/// Where one more key goes into a map written `{…}`.
fn in_flow(scene: &Scene<'_>, root: &crate::pipeline::reader::Node, path: &Path) -> Option<usize> {
    let found = root.find(&path.0);
    let span = found.node.span;
    let text = scene.sources.file(span.file)?.text.get(span.start..span.end)?;
    (found.depth == path.0.len() && text.ends_with('}')).then(|| span.end - 1)
}

/// The longest delay of the sources that the columns come from; of all columns if none is named.
fn delay_of(
    scene: &Scene<'_>,
    source: &Source,
    columns: &[&str],
    shapes: &BTreeMap<(String, String), Shape>,
) -> Option<Delay> {
    let mut origins: Vec<String> = Vec::new();
    match source {
        Source::Dataset(dataset) => origins.push(dataset.clone()),
        Source::Output { step, output, .. } => {
            let (name, _) = scene.draft.spec.steps.get_index(*step)?;
            let Some(Shape::Table(schema)) = shapes.get(&(name.clone(), output.clone())) else {
                return None;
            };
            origins.push(format!("{name}.{output}"));
            let read = schema
                .columns
                .iter()
                .filter(|column| columns.is_empty() || columns.contains(&column.name.as_str()));
            for origin in read.flat_map(|column| &column.origins) {
                if !origins.contains(&origin.dataset) {
                    origins.push(origin.dataset.clone());
                }
            }
        }
        Source::Registry { .. } | Source::Features(_) => return None,
    }
    origins
        .iter()
        .filter_map(|origin| {
            let contract = contract_of(scene, origin)?;
            let known = scene.draft.contracts.get(contract)?;
            let text = known.contract.freshness.as_ref()?.max_age.clone();
            let span = text.parse::<Millis>().ok()?;
            Some(Delay {
                contract: contract.to_owned(),
                text,
                span,
            })
        })
        .max_by_key(|delay| delay.span)
}

/// The contract of a dataset or of an output written `step.output`.
fn contract_of<'s>(scene: &'s Scene<'_>, origin: &str) -> Option<&'s str> {
    let spec = &scene.draft.spec;
    if let Some(dataset) = spec.datasets.get(origin) {
        return dataset.contract.as_deref();
    }
    let (step, output) = origin.split_once('.')?;
    spec.steps.get(step)?.outputs.get(output)?.contract.as_deref()
}

#[cfg(test)]
mod tests {
    use crate::pipeline::fixture::{FLIGHTS, checked, project, shown};

    fn found(join: &str, freshness: &str) -> Vec<String> {
        let text = format!(
            "\
version: 1
name: p
include: [../contracts/flights.yaml]
datasets: {{flights: {{path: data/flights.csv, contract: flights}}}}
steps:
  raw: {{uses: ingest.files@v1, inputs: {{weather: flights}}, outputs: {{weather: {{type: table}}}}}}
  features:
    uses: features.build@v1
    inputs: {{flights: flights, weather: raw.weather}}
    with:
      as_of_join: [{join}]
"
        );
        let files = project(&text).with("contracts/flights.yaml", format!("{FLIGHTS}{freshness}"));
        let mut found = shown(&checked(&files, &["pipelines/p.yaml"], None));
        found.retain(|found| !found.starts_with("S06") && !found.starts_with("D06"));
        found
    }

    #[test]
    fn a_lag_is_at_least_the_delay_of_the_source() {
        let late = "freshness: {max_age: 30h}\n";
        let join = |lag: &str| {
            found(
                &format!("{{table: weather, by: [carrier]{lag}, columns: [distance]}}"),
                late,
            )
        };
        assert_eq!(join(", lag: 24h"), ["M06/lag-below-delay 11:57 24h"]);
        assert_eq!(join(""), ["M06/lag-below-delay 11:28 weather"]);
        assert_eq!(join(", lag: 30h"), Vec::<String>::new());
        assert_eq!(join(", lag: 2d"), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_said_where_no_delay_is_known_or_the_future_is_asked_for() {
        assert_eq!(found("{table: weather, lag: 1h}", ""), Vec::<String>::new());
        let late = "freshness: {max_age: 30h}\n";
        assert_eq!(
            found("{table: weather, lag: 1h, direction: forward}", late),
            Vec::<String>::new()
        );
    }
}
