//! What is known of the output's columns before any row is read, and features that tell what nobody knows yet.

use super::plan::{Out, Plan, ViewPlan, time_column, time_type};
use super::{ENTITIES, Params};
use crate::facts::{Fact, Facts, Source, Sources};
use crate::features::leakage::Watch;
use crate::inference::{self, with};
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::task::Way;
use trainyard_contract::{Column, ColumnOrigin, Finding, KnownAt, Schema};

/// The facts of the output's columns. `views` has the columns of a view's rows where they are known.
pub(super) fn of_output(plan: &Plan, entities: &Schema, views: &BTreeMap<&str, Option<&Schema>>) -> Facts {
    let mut facts = Facts::of_input(ENTITIES, entities);
    let own = facts.clone();
    let mut add = |fact: Fact| {
        facts.columns.insert(fact.column.name.clone(), fact);
    };
    for out in &plan.outputs {
        let Some(view) = plan.views.get(out.view) else {
            continue;
        };
        let schema = views.get(view.ask.view.name.as_str()).copied().flatten();
        add(feature(out, view, &own, schema));
    }
    if plan.event_times {
        for view in &plan.views {
            let definition = &view.ask.view;
            let source = source_of(view, &definition.event_time);
            add(Fact {
                column: Column::new(time_column(definition), time_type(), true),
                sources: Sources::from([(source, BTreeSet::from([Way::Transformation]))]),
                current: BTreeSet::new(),
                known: keys_known(view, &own),
                takes_in_rows: false,
            });
        }
    }
    // Keys and times decide what is found, as in any join; they drop no row.
    let mut join = |source: Source| {
        let ways = facts.deciding.sources.entry(source).or_default();
        ways.insert(Way::Join);
    };
    for view in &plan.views {
        let definition = &view.ask.view;
        for (key, column) in definition.keys.iter().zip(&view.ask.keys) {
            join(Source {
                input: ENTITIES.to_owned(),
                column: column.clone(),
            });
            join(source_of(view, definition.column_of(&key.name)));
        }
        for time in std::iter::once(&definition.event_time).chain(&definition.created_time) {
            join(source_of(view, time));
        }
        join(Source {
            input: ENTITIES.to_owned(),
            column: plan.event_time.clone(),
        });
    }
    facts
}

fn source_of(view: &ViewPlan, column: &str) -> Source {
    Source {
        input: view.ask.view.name.clone(),
        column: column.to_owned(),
    }
}

/// What is found lies in the past, so that only the keys by which it is found must be known.
fn keys_known(view: &ViewPlan, entities: &Facts) -> BTreeSet<KnownAt> {
    let keys = view.ask.keys.iter().filter_map(|key| entities.get(key));
    keys.flat_map(|fact| fact.known.iter().cloned()).collect()
}

fn feature(out: &Out, view: &ViewPlan, entities: &Facts, schema: Option<&Schema>) -> Fact {
    let definition = &view.ask.view;
    let source = source_of(view, definition.column_of(&out.feature));
    let there = schema.and_then(|schema| schema.column(&source.column));
    let mut column = match (definition.features.get(&out.feature), there) {
        (Some(feature), there) => Column {
            unit: feature.unit.clone(),
            classification: feature.classification.clone(),
            known_at: feature.known_at.clone(),
            ..there.map_or_else(
                || Column::new(&out.name, feature.data_type.clone(), true),
                |there| Column {
                    data_type: feature.data_type.clone(),
                    ..there.clone()
                },
            )
        },
        (None, Some(there)) => there.clone(),
        (None, None) => Column::new(
            &out.name,
            trainyard_contract::DataType::Other("other[unknown]".to_owned()),
            true,
        ),
    };
    if column.known_at.is_none() {
        column.known_at = there.and_then(|there| there.known_at.clone());
    }
    if column.origins.is_empty() {
        column.origins.insert(ColumnOrigin {
            dataset: definition.name.clone(),
            column: out.feature.clone(),
        });
    }
    column.name.clone_from(&out.name);
    column.nullable = true;
    let mut known = keys_known(view, entities);
    let mut current = BTreeSet::new();
    if view.ask.lag.0 == 0 {
        // A row of the very same time may be found.
        known.extend(column.known_at.clone());
        current.insert(source.clone());
    }
    Fact {
        sources: Sources::from([(source, BTreeSet::from([Way::Identity]))]),
        column,
        current,
        known,
        takes_in_rows: false,
    }
}

/// Features that are known only after the prediction, or that the label is made from.
pub(super) fn leaks(params: &Params, plan: &Plan, entities: &Schema, facts: &Facts) -> Vec<Finding> {
    let predict_at = params.predict_at.clone().or_else(|| entities.predict_at.clone());
    let mut watch = Watch::new(predict_at);
    let mut findings = Vec::new();
    if params.predict_at.is_some() {
        findings.extend(watch.unknown_moment(&Facts::of_input(ENTITIES, entities), ENTITIES));
    }
    let label = params.label.as_ref().or(entities.label.as_ref());
    if let Some(fact) = label.and_then(|label| facts.get(label)) {
        watch.label(fact.sources.keys().cloned().collect());
    }
    let help = "leave it out, look it up earlier by a `lag`, or predict later";
    let outs = plan
        .outputs
        .iter()
        .map(|out| (&out.name, &out.word, out.path.clone()));
    let kept = params.keep.iter().enumerate();
    let kept = kept.map(|(at, name)| (name, name, with("keep").index(at)));
    for (name, word, path) in outs.chain(kept) {
        let Some(fact) = facts.get(name) else { continue };
        for finding in watch.feature(name, fact, word, &path) {
            findings.push(if finding.code == "M01" {
                finding.help(help)
            } else {
                finding
            });
        }
    }
    for view in &plan.views {
        for key in &view.ask.keys {
            let Some(fact) = facts.get(key) else { continue };
            let late = watch.feature(key, fact, &view.word, &view.path);
            let late = late.into_iter().filter(|finding| finding.code == "M01");
            findings.extend(late.map(|finding| {
                finding.help("look it up by a key that is known when the prediction is made")
            }));
        }
    }
    findings
}

/// The output's columns and what holds for the table.
pub(super) fn schema(params: &Params, plan: &Plan, entities: &Schema, facts: &Facts) -> Schema {
    let mut schema = facts.schema();
    inference::inherit(&mut schema, facts, &[(ENTITIES, entities)]);
    schema.event_time = Some(plan.event_time.clone());
    if params.label.is_some() {
        schema.label.clone_from(&params.label);
    }
    if params.predict_at.is_some() {
        schema.predict_at.clone_from(&params.predict_at);
    }
    let asked = plan.outputs.iter().map(|out| &out.name);
    for name in entities.features.iter().chain(&params.keep).chain(asked) {
        if !schema.features.contains(name) {
            schema.features.push(name.clone());
        }
    }
    schema
}
