//! Why a step has its verdict.

use super::changes::{Difference, compare, short};
use super::{PlanFacts, Source, spoken};
use crate::pipeline::FeaturesInput;
use crate::run::{BoundInput, CachePolicy, Instance, InstanceIx, Run, RunDefinition, StepState};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;
use trainyard_contract::{ContentHash, Millis, OutputValue};

/// One reason; several may hold at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// What it takes will be made anew.
    Upstream,
    NeverRan,
    VersionChanged {
        before: String,
        now: String,
    },
    /// The program's own code of the step changed.
    RevisionChanged,
    ConfigChanged {
        changes: Vec<Difference>,
    },
    InputChanged {
        input: String,
    },
    /// A feature view has other rows.
    FeaturesChanged {
        view: String,
        /// E.g. `+2,914 rows`.
        note: String,
    },
    CodeChanged {
        file: String,
    },
    ContractChanged {
        contract: String,
    },
    PreviousFailed,
    SideEffect {
        effect: String,
    },
    CacheOff,
    Expired,
    ResultGone,
    ReuseSwitchedOff,
    /// Nothing of the above, and yet no result has this key.
    NoEarlierResult,
    /// Once for each item of a list that is known; an item with an earlier result takes it.
    ForEach {
        items: usize,
    },
    /// Until a condition holds; an iteration with an earlier result takes it.
    Repeat {
        most: u32,
    },
    /// Runs when all else is over.
    AtTheEnd,
    If {
        condition: String,
    },
    /// Its condition is known to be false.
    Unless {
        condition: String,
    },
    WaitsForApproval {
        roles: Vec<String>,
        min_approvals: u32,
        not_author: bool,
        expires: Option<Millis>,
    },
    /// Steps above may be kept from running.
    DependsOn {
        steps: Vec<String>,
    },
    /// Takes data from a step that is skipped.
    NoData {
        step: String,
    },
    /// A step above fails.
    After {
        step: String,
    },
    NotSelected,
    CannotStart {
        message: String,
    },
    /// The same key, so the same outputs.
    SameKey,
}

/// Changes that one reason spells out.
const CHANGES_SHOWN: usize = 2;

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream => f.write_str("upstream"),
            Self::NeverRan => f.write_str("never ran"),
            Self::VersionChanged { before, now } => write!(f, "step version changed {before} -> {now}"),
            Self::RevisionChanged => f.write_str("step changed in this version of trainyard"),
            Self::ConfigChanged { changes } => {
                f.write_str("config changed: ")?;
                for (at, change) in changes.iter().take(CHANGES_SHOWN).enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    match (&change.before, &change.now) {
                        (Some(before), Some(now)) => {
                            write!(f, "{comma}{} {} -> {}", change.path, short(before), short(now))?;
                        }
                        (None, Some(now)) => write!(f, "{comma}{} added: {}", change.path, short(now))?,
                        _ => write!(f, "{comma}{} removed", change.path)?,
                    }
                }
                match changes.len().saturating_sub(CHANGES_SHOWN) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            Self::InputChanged { input } => write!(f, "input {input} changed"),
            Self::FeaturesChanged { view, note } => {
                write!(f, "features {view}: {note} since the previous run")
            }
            Self::CodeChanged { file } => write!(f, "code changed: {file}"),
            Self::ContractChanged { contract } => write!(f, "contract {contract} changed"),
            Self::PreviousFailed => f.write_str("previous attempt failed"),
            Self::SideEffect { effect } => write!(f, "side effect: {effect}"),
            Self::CacheOff => f.write_str("cache off"),
            Self::Expired => f.write_str("result expired (ttl)"),
            Self::ResultGone => f.write_str("earlier result is gone"),
            Self::ReuseSwitchedOff => f.write_str("reuse is switched off"),
            Self::NoEarlierResult => f.write_str("no earlier result of these inputs"),
            Self::ForEach { items } => write!(f, "for each of {items} items without an earlier result"),
            Self::Repeat { most } => write!(f, "repeats, at most {most} times"),
            Self::AtTheEnd => f.write_str("at the end"),
            Self::If { condition } => write!(f, "if {condition}"),
            Self::Unless { condition } => write!(f, "if {condition}: is false"),
            Self::WaitsForApproval {
                roles,
                min_approvals,
                not_author,
                expires,
            } => {
                match (roles.as_slice(), min_approvals) {
                    ([], 1) => f.write_str("waits for an approval")?,
                    ([], n) => write!(f, "waits for {n} approvals")?,
                    (roles, 1) => write!(f, "waits for role {}", roles.join(" or "))?,
                    (roles, n) => write!(f, "waits for {n} of role {}", roles.join(" or "))?,
                }
                if *not_author {
                    f.write_str(" (not the author)")?;
                }
                expires.map_or(Ok(()), |span| write!(f, ", expires after {}", spoken(span)))
            }
            Self::DependsOn { steps } => write!(f, "depends on {}", steps.join(", ")),
            Self::NoData { step } => write!(f, "no data from {step}"),
            Self::After { step } => write!(f, "{step} fails"),
            Self::NotSelected => f.write_str("not selected"),
            Self::CannotStart { message } => f.write_str(message),
            Self::SameKey => f.write_str("unchanged"),
        }
    }
}

/// What is different about this instance itself since the previous run. `run` is the run as foreseen,
/// `before` the same instance in the previous one.
pub(super) fn own(
    definition: &RunDefinition,
    run: &Run,
    instance: &Instance,
    before: Option<(&Run, InstanceIx)>,
    facts: &mut dyn PlanFacts,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    match before {
        None => reasons.push(Reason::NeverRan),
        Some((previous, at)) => {
            let before = &previous.definition().instances[at as usize];
            match previous.step(at) {
                StepState::Succeeded { .. } => {}
                StepState::Failed { .. } => reasons.push(Reason::PreviousFailed),
                _ => reasons.push(Reason::NeverRan),
            }
            if before.uses != instance.uses {
                reasons.push(version_change(&before.uses, &instance.uses));
            } else if before.revision != instance.revision {
                reasons.push(Reason::RevisionChanged);
            }
            let changes = config_changes(before, instance);
            if !changes.is_empty() {
                reasons.push(Reason::ConfigChanged { changes });
            }
            reasons.extend(changed_contracts(previous.definition(), definition, instance));
            reasons.extend(changed_inputs(previous, before, run, instance, facts));
        }
    }
    match (&instance.effect, &instance.cache) {
        (Some(effect), _) => reasons.push(Reason::SideEffect {
            effect: effect.clone(),
        }),
        (None, CachePolicy::Off) if !reasons.contains(&Reason::NeverRan) => reasons.push(Reason::CacheOff),
        _ => {}
    }
    reasons
}

/// `name@v1` to `name@v2` is a version; anything else is another step.
fn version_change(before: &str, now: &str) -> Reason {
    let split = |uses: &str| {
        uses.split_once('@')
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
    };
    match (split(before), split(now)) {
        (Some((before_name, before)), Some((name, now))) if before_name == name => {
            Reason::VersionChanged { before, now }
        }
        _ => Reason::VersionChanged {
            before: before.to_owned(),
            now: now.to_owned(),
        },
    }
}

fn config_changes(before: &Instance, now: &Instance) -> Vec<Difference> {
    let mut changes = Vec::new();
    let mut found = |change| changes.push(change);
    compare(Some(&before.with), Some(&now.with), "", &mut |change| {
        let path = if change.path.is_empty() {
            "with".to_owned()
        } else {
            change.path.clone()
        };
        found(Difference { path, ..change });
    });
    let matrix = |instance: &Instance| Value::Object(instance.matrix.clone());
    compare(Some(&matrix(before)), Some(&matrix(now)), "matrix", &mut found);
    compare(
        Some(&json!(before.outputs)),
        Some(&json!(now.outputs)),
        "outputs",
        &mut found,
    );
    let process = |instance: &Instance| {
        let process = instance.process.as_ref();
        process.map(|p| json!({"command": p.argv, "env": p.env, "secrets": p.secrets, "image": p.image}))
    };
    if let (Some(before), Some(now)) = (process(before), process(now)) {
        compare(Some(&before), Some(&now), "", &mut found);
    }
    changes
}

fn changed_contracts(before: &RunDefinition, now: &RunDefinition, instance: &Instance) -> Vec<Reason> {
    let of_outputs = instance
        .outputs
        .values()
        .filter_map(|output| output.contract.as_ref());
    let of_inputs = instance.inputs.values().filter_map(|input| match input {
        BoundInput::Dataset(dataset) => now.datasets.get(dataset)?.contract.as_ref(),
        _ => None,
    });
    let names: BTreeSet<&String> = of_outputs.chain(of_inputs).collect();
    let changed = names
        .into_iter()
        .filter(|name| before.contracts.get(*name) != now.contracts.get(*name));
    changed
        .map(|contract| Reason::ContractChanged {
            contract: contract.clone(),
        })
        .collect()
}

fn changed_inputs(
    previous: &Run,
    before: &Instance,
    run: &Run,
    now: &Instance,
    facts: &mut dyn PlanFacts,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for (name, input) in &now.inputs {
        let changed = match (before.inputs.get(name), input) {
            (None, _) => true,
            (Some(BoundInput::Dataset(_)), BoundInput::Dataset(dataset)) => {
                let source = Source::Dataset(dataset);
                differ(facts.content_before(source), facts.content_now(source))
            }
            (
                Some(BoundInput::Output {
                    instance: of,
                    output: named,
                }),
                BoundInput::Output { instance, output },
            ) => differ(result(previous, *of, named), result(run, *instance, output)),
            (Some(before), input) => std::mem::discriminant(before) != std::mem::discriminant(input),
        };
        if changed {
            let input = match input {
                BoundInput::Dataset(dataset) => dataset.clone(),
                BoundInput::Output { instance, output } => {
                    format!("{}.{output}", run.definition().instances[*instance as usize].name)
                }
                _ => name.clone(),
            };
            reasons.push(Reason::InputChanged { input });
        }
    }
    if let Some(since) = previous.started_at() {
        for view in views(now) {
            if let Some(note) = facts.features_note(&view, since) {
                reasons.push(Reason::FeaturesChanged {
                    view: view.view,
                    note,
                });
            }
        }
    }
    let schemas = now
        .outputs
        .values()
        .flat_map(|output| [&output.input_schema, &output.output_schema]);
    let code = now.process.iter().flat_map(|process| &process.code);
    for file in code.chain(schemas.flatten()) {
        let source = Source::File(file);
        if differ(facts.content_before(source), facts.content_now(source)) {
            reasons.push(Reason::CodeChanged { file: file.clone() });
        }
    }
    reasons
}

/// Feature views that an instance reads.
fn views(instance: &Instance) -> Vec<FeaturesInput> {
    let inputs = instance.inputs.values().filter_map(|input| match input {
        BoundInput::Features(features) => Some(features.clone()),
        _ => None,
    });
    let named = instance.features.views.keys();
    let named = named.filter(|view| instance.feature_use.writes.as_ref() != Some(view));
    let mut views: Vec<FeaturesInput> = inputs
        .chain(named.map(|view| FeaturesInput::present(view)))
        .collect();
    views.sort_by(|left, right| left.view.cmp(&right.view));
    views.dedup();
    views
}

/// Both known and not the same.
fn differ<T: PartialEq>(before: Option<T>, now: Option<T>) -> bool {
    before.zip(now).is_some_and(|(before, now)| before != now)
}

fn result(run: &Run, ix: InstanceIx, output: &str) -> Option<ContentHash> {
    let StepState::Succeeded { outputs, .. } = run.step(ix) else {
        return None;
    };
    outputs
        .get(output)
        .map(|value: &OutputValue| ContentHash::of(value.fingerprint().as_bytes()))
}
