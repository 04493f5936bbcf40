//! Names resolved: which step takes what from where.

use super::spec::{HookStep, Step as StepSpec};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use trainyard_contract::step::InputPort;
use trainyard_contract::task::OutputDeclaration;
use trainyard_contract::{ArtifactKind, Catalogue, Effect, Memory, Ports, Signature, Step, Timestamp};

/// Kind of a step that is a script.
pub(crate) const SHELL: &str = "run.shell@v1";
/// Kind of a step that is a script in a container.
pub(crate) const CONTAINER: &str = "run.container@v1";

/// A kind of step with its signature, asked for once.
pub(crate) struct Kind {
    pub(crate) step: Arc<dyn Step>,
    pub(crate) signature: Signature,
    /// The parameters' schema for `run:` steps: `run` and `image` stand for two of them, so `with`
    /// need not have these.
    pub(crate) script_params: serde_json::Value,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.step.uses())
    }
}

impl Kind {
    /// What it changes outside its outputs.
    pub(crate) fn effect(&self) -> Option<&'static str> {
        match self.signature.effect {
            Effect::None => None,
            Effect::External(what) => Some(what),
        }
    }
}

/// Kinds by name.
pub(crate) struct Kinds<'a> {
    pub(crate) catalogue: &'a Catalogue,
    known: RefCell<BTreeMap<String, Option<Arc<Kind>>>>,
}

impl<'a> Kinds<'a> {
    pub(crate) fn new(catalogue: &'a Catalogue) -> Self {
        Self {
            catalogue,
            known: RefCell::default(),
        }
    }

    pub(crate) fn get(&self, uses: &str) -> Option<Arc<Kind>> {
        let mut known = self.known.borrow_mut();
        if let Some(kind) = known.get(uses) {
            return kind.clone();
        }
        let kind = self.catalogue.get(uses).map(|step| {
            let signature = step.signature();
            let mut script_params = signature.params.clone();
            if let Some(required) = script_params
                .get_mut("required")
                .and_then(|required| required.as_array_mut())
            {
                required.retain(|name| name != "script" && name != "image");
            }
            Arc::new(Kind {
                step: step.clone(),
                signature,
                script_params,
            })
        });
        known.insert(uses.to_owned(), kind.clone());
        kind
    }
}

/// Where an input comes from, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference<'t> {
    Dataset(&'t str),
    Output {
        step: &'t str,
        output: &'t str,
        all: bool,
    },
    Registry {
        model: &'t str,
        alias: &'t str,
        optional: bool,
    },
    Features(FeaturesInput),
}

/// Rows of a feature view as an input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FeaturesInput {
    pub view: String,
    /// Another version than the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// What it held then, instead of now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Whether it may have no rows yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

impl FeaturesInput {
    /// What a view holds now.
    pub fn present(view: &str) -> Self {
        Self {
            view: view.to_owned(),
            version: None,
            as_of: None,
            optional: false,
        }
    }

    /// Its name among a task's views: `weather`, or `weather@v2`.
    pub fn key(&self) -> String {
        let mut key = self.view.clone();
        if let Some(version) = self.version {
            key.push_str(&format!("@v{version}"));
        }
        if let Some(as_of) = self.as_of {
            key.push_str(&format!("@{}", as_of.0));
        }
        key
    }

    /// What a step's parameters call a view: `weather` or `weather@v2`.
    pub fn named(text: &str) -> Option<Self> {
        Self::parse(text).filter(|input| !input.optional && input.as_of.is_none())
    }

    /// Reads what follows `features:`, e.g. `weather`, `weather@v2`, `weather@2026-11-01?`.
    fn parse(text: &str) -> Option<Self> {
        let (text, optional) = text.strip_suffix('?').map_or((text, false), |text| (text, true));
        let mut parts = text.split('@');
        let view = parts
            .next()
            .filter(|view| !view.is_empty() && !view.contains(['.', ' ', '/', '?', '[']))?;
        let mut input = Self {
            view: view.to_owned(),
            version: None,
            as_of: None,
            optional,
        };
        for part in parts {
            let version = part
                .strip_prefix('v')
                .and_then(|number| number.parse::<u32>().ok());
            match version {
                Some(number) if number > 0 && input.version.is_none() => input.version = Some(number),
                _ if input.as_of.is_none() => input.as_of = Some(Memory::instant(part).ok()??),
                _ => return None,
            }
        }
        Some(input)
    }
}

impl fmt::Display for FeaturesInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "features:{}", self.view)?;
        match self.version {
            Some(version) => write!(f, "@v{version}"),
            None => Ok(()),
        }
    }
}

impl<'t> Reference<'t> {
    /// Reads `dataset`, `step.output`, `step[*].output` or (where `step` may be `use.step`, of a
    /// pipeline that is used) `registry:MODEL@ALIAS` or `features:VIEW` with an optional
    /// `?`. `None` if it is none of them.
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("registry:") {
            let (rest, optional) = rest.strip_suffix('?').map_or((rest, false), |rest| (rest, true));
            let (model, alias) = rest.split_once('@')?;
            let fits = |name: &str| !name.is_empty() && !name.contains(['@', '?', ' ', '/']);
            return (fits(model) && fits(alias)).then_some(Self::Registry {
                model,
                alias,
                optional,
            });
        }
        if let Some(rest) = text.strip_prefix("features:") {
            return FeaturesInput::parse(rest).map(Self::Features);
        }
        let Some((step, output)) = text.rsplit_once('.') else {
            return (!text.is_empty() && !text.contains(['[', ' '])).then_some(Self::Dataset(text));
        };
        let (step, all) = step
            .strip_suffix("[*]")
            .map_or((step, false), |step| (step, true));
        let fits = |name: &str| !name.is_empty() && !name.contains(['[', ']', ' ']);
        (step.split('.').all(fits) && fits(output)).then_some(Self::Output { step, output, all })
    }
}

/// Where an input comes from, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Dataset(String),
    /// `step` is an index in declaration order.
    Output {
        step: usize,
        output: String,
        all: bool,
    },
    Registry {
        model: String,
        alias: String,
        optional: bool,
    },
    Features(FeaturesInput),
}

/// A step with its names resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wired {
    pub(crate) uses: String,
    /// `None` only while faults are being collected.
    pub(crate) kind: Option<Arc<Kind>>,
    pub(crate) inputs: IndexMap<String, Source>,
    pub(crate) outputs: IndexMap<String, OutputDeclaration>,
    /// Steps that the list of `for_each` comes from: data, although no input.
    pub(crate) listed: BTreeSet<usize>,
    /// Steps that have to be over first although no data is taken from them.
    pub(crate) order: BTreeSet<usize>,
}

impl Wired {
    /// Steps that data is taken from.
    pub(crate) fn data(&self) -> BTreeSet<usize> {
        self.inputs
            .values()
            .filter_map(|source| match source {
                Source::Output { step, .. } => Some(*step),
                _ => None,
            })
            .chain(self.listed.iter().copied())
            .collect()
    }

    /// Everything that has to be over first.
    pub(crate) fn upstream(&self) -> BTreeSet<usize> {
        let mut all = self.data();
        all.extend(&self.order);
        all
    }
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The step of that index has failed.
    StepFailed(usize),
    /// The run has failed.
    RunFailed,
    /// The run is over.
    Finally,
}

/// A step outside the graph.
#[derive(Clone, Debug)]
pub(crate) struct WiredHook {
    pub(crate) occasion: Occasion,
    pub(crate) name: String,
    pub(crate) uses: String,
    pub(crate) kind: Arc<Kind>,
    pub(crate) spec: HookStep,
}

/// The kind that a step or hook is of, by its `uses`, `run` and `image`.
pub(crate) fn uses_of(uses: Option<&str>, run: Option<&str>, image: Option<&str>) -> String {
    match (uses, run, image) {
        (Some(uses), _, _) => uses.to_owned(),
        (None, Some(_), Some(_)) => CONTAINER.to_owned(),
        _ => SHELL.to_owned(),
    }
}

/// What a step makes: what it declares, and what its kind always makes.
pub(crate) fn outputs_of(spec: &StepSpec, kind: Option<&Kind>) -> IndexMap<String, OutputDeclaration> {
    let mut outputs: IndexMap<String, OutputDeclaration> = spec
        .outputs
        .iter()
        .map(|(name, output)| {
            let declaration = OutputDeclaration {
                kind: output.kind,
                contract: output.contract.clone(),
                input_schema: output.input_schema.as_deref().map(local),
                output_schema: output.output_schema.as_deref().map(local),
                path: output.path.clone(),
            };
            (name.clone(), declaration)
        })
        .collect();
    let implied: Vec<(String, ArtifactKind)> = match kind.map(|kind| &kind.signature.outputs) {
        Some(Ports::Named(ports)) => ports
            .iter()
            .filter(|port| port.required)
            .map(|port| (port.name.to_owned(), port.kind))
            .collect(),
        Some(Ports::SameAsInputs(kind)) => spec.inputs.keys().map(|name| (name.clone(), *kind)).collect(),
        _ => Vec::new(),
    };
    for (name, kind) in implied {
        outputs.entry(name).or_insert(OutputDeclaration {
            kind,
            contract: None,
            input_schema: None,
            output_schema: None,
            path: None,
        });
    }
    outputs
}

fn local(path: &str) -> String {
    super::files::in_project(path).unwrap_or_else(|| path.to_owned())
}

/// A port by name.
pub(crate) fn port<'p>(ports: &'p Ports, name: &str) -> Option<&'p InputPort> {
    match ports {
        Ports::Named(ports) => ports.iter().find(|port| port.name == name),
        _ => None,
    }
}

/// Steps in an order in which each comes after what it waits for; `Err` has the steps of one cycle,
/// each waiting for the next, the last for the first.
pub(crate) fn order(steps: &[Wired]) -> Result<Vec<usize>, Vec<usize>> {
    let upstream: Vec<Vec<usize>> = steps
        .iter()
        .map(|step| step.upstream().into_iter().collect())
        .collect();
    let mut state = vec![0u8; steps.len()];
    let mut sorted = Vec::with_capacity(steps.len());
    for start in 0..steps.len() {
        if state[start] != 0 {
            continue;
        }
        // The path from `start`, each with how many of its upstream steps were visited.
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        state[start] = 1;
        while let Some((step, visited)) = path.last_mut() {
            match upstream[*step].get(*visited) {
                None => {
                    state[*step] = 2;
                    sorted.push(*step);
                    path.pop();
                }
                Some(next) => {
                    *visited += 1;
                    match state[*next] {
                        0 => {
                            state[*next] = 1;
                            path.push((*next, 0));
                        }
                        1 => {
                            let from = path.iter().position(|(step, _)| step == next).unwrap_or(0);
                            return Err(path[from..].iter().map(|(step, _)| *step).collect());
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_a_dataset_an_output_or_a_registered_model() {
        assert_eq!(Reference::parse("flights"), Some(Reference::Dataset("flights")));
        let output = Reference::Output {
            step: "train",
            output: "model",
            all: true,
        };
        assert_eq!(Reference::parse("train[*].model"), Some(output));
        let registry = Reference::Registry {
            model: "late",
            alias: "production",
            optional: true,
        };
        assert_eq!(Reference::parse("registry:late@production?"), Some(registry));
        let features = |version, as_of, optional| {
            Some(Reference::Features(FeaturesInput {
                view: "weather".to_owned(),
                version,
                as_of,
                optional,
            }))
        };
        assert_eq!(Reference::parse("features:weather"), features(None, None, false));
        assert_eq!(
            Reference::parse("features:weather@v2?"),
            features(Some(2), None, true)
        );
        let then = Some(Timestamp(1_793_512_800_000_000));
        assert_eq!(
            Reference::parse("features:weather@2026-11-01T06:00:00Z"),
            features(None, then, false)
        );
        let inside = Reference::Output {
            step: "prepare.split",
            output: "train",
            all: false,
        };
        assert_eq!(Reference::parse("prepare.split.train"), Some(inside));
        for wrong in [
            "",
            "a.",
            ".b",
            "a..c",
            "train[0].model",
            "registry:late",
            "registry:@x",
            "features:",
            "features:weather@v0",
            "features:weather@then",
            "features:weather@v1@v2",
            "a b",
        ] {
            assert_eq!(Reference::parse(wrong), None, "{wrong}");
        }
    }

    fn graph(edges: &[&[usize]]) -> Vec<Wired> {
        edges
            .iter()
            .map(|order| Wired {
                order: order.iter().copied().collect(),
                ..Wired::default()
            })
            .collect()
    }

    #[test]
    fn each_step_comes_after_what_it_waits_for() {
        assert_eq!(order(&graph(&[&[2], &[0, 2], &[]])), Ok(vec![2, 0, 1]));
        assert_eq!(order(&graph(&[&[], &[3], &[1], &[2]])), Err(vec![1, 3, 2]));
        assert_eq!(order(&graph(&[&[0]])), Err(vec![0]));
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_steps_is_ordered() {
        let chain: Vec<Wired> = (0..100_000usize)
            .map(|at| Wired {
                order: (at + 1 < 100_000).then_some(at + 1).into_iter().collect(),
                ..Wired::default()
            })
            .collect();
        assert_eq!(order(&chain).unwrap().last(), Some(&0));
    }
}
