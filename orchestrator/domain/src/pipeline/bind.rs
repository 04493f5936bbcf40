//! From a checked pipeline to the definition of one run: an environment, values for all params,
//! every expression evaluated that does not wait for results, matrices expanded, edges laid.

mod arguments;
mod instance;
mod matrix;
mod notices;
mod params;
mod policy;

use super::Pipeline;
use super::spec::Environment;
use super::values::Values;
use crate::expression::{RenderError, render_known};
use crate::pool::PoolLimits;
use crate::run::definition::{DEFINITION_VERSION, Instance, RunDefinition};
use crate::trigger::{Place, Policy};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use trainyard_contract::Path;
use trainyard_contract::finding::nearest;
use trainyard_contract::task::DatasetRef;

/// What makes one run of a pipeline.
#[derive(Clone, Debug)]
pub struct BindRequest<'a> {
    /// Without one: the project's default, else `dev` if the pipeline has it, else its only one.
    pub environment: Option<&'a str>,
    /// Values of params as given on the command line; read by the declared types.
    pub params: &'a BTreeMap<String, String>,
    /// `trigger` as expressions see it: `type`, `logical_date` and the like. Members of `params`, if
    /// it is there, set params.
    pub trigger: Value,
    /// Seed for retry jitter.
    pub seed: u64,
}

/// What keeps a pipeline from being run so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BindError {
    /// Where in the pipeline's document.
    pub path: Path,
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// What would fix it.
    pub help: Option<String>,
}

impl BindError {
    fn new(path: Path, message: impl Into<String>) -> Self {
        Self {
            path,
            message: message.into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A binding under way: faults are collected, not thrown.
struct Binding<'a> {
    pipeline: &'a Pipeline,
    values: Values,
    errors: Vec<BindError>,
}

impl Pipeline {
    /// The definition of one run.
    ///
    /// # Errors
    /// Everything that keeps it from running: an unknown environment or param, a value that does not
    /// fit, a variable that the environment does not set.
    pub fn bind(&self, request: &BindRequest<'_>) -> Result<RunDefinition, Vec<BindError>> {
        let environment = self
            .choose_environment(request.environment)
            .map_err(|error| vec![error])?;
        let mut binding = Binding {
            pipeline: self,
            values: Values {
                params: Map::new(),
                vars: self.vars(environment.as_deref()),
                environment: environment.clone(),
                trigger: Some(request.trigger.clone()),
                matrix: None,
            },
            errors: Vec::new(),
        };
        let params = binding.params(request);
        binding.values.params = params
            .iter()
            .map(|(name, bound)| (name.clone(), bound.value.clone()))
            .collect();
        let datasets = binding.datasets();
        binding.arguments();
        let concurrency = binding.place();
        let instances = if binding.errors.is_empty() {
            binding.instances()
        } else {
            Vec::new()
        };
        if !binding.errors.is_empty() {
            binding.errors.dedup();
            return Err(binding.errors);
        }
        let pools = self.pools_of(&instances);
        Ok(RunDefinition {
            version: DEFINITION_VERSION,
            pipeline: self.name.clone(),
            pipeline_hash: self.hash,
            file: self.file.clone(),
            documents: self.documents.clone(),
            code: None,
            owner: self
                .spec
                .owner
                .clone()
                .or_else(|| self.project.as_ref()?.owner.clone()),
            cost_center: self.spec.cost_center.clone(),
            environment,
            params,
            vars: binding.values.vars,
            trigger: request.trigger.clone(),
            caller: None,
            reproduces: None,
            seed: request.seed,
            contracts: self
                .contracts
                .iter()
                .map(|(name, contract)| (name.clone(), contract.as_ref().clone()))
                .collect(),
            datasets,
            files: BTreeMap::new(),
            instances,
            bounds: self.bounds(),
            concurrency,
            priority: self
                .spec
                .priority
                .and_then(|priority| u8::try_from(priority).ok()),
            pools,
            notices: self.notices(),
            not_obeyed: self.not_obeyed(),
            as_written: self.as_written.clone(),
            sections: Some(self.sections.clone()),
        })
    }

    /// Limits of the pools that instances name.
    fn pools_of(&self, instances: &[Instance]) -> BTreeMap<String, PoolLimits> {
        let declared = self.project.as_ref().map(|project| &project.pools);
        let named = instances.iter().filter_map(|instance| instance.pool.as_deref());
        named
            .filter_map(|name| {
                let pool = declared?.get(name)?;
                Some((name.to_owned(), pool.into()))
            })
            .collect()
    }

    /// The environment of a run that says none.
    pub fn default_environment(&self) -> Option<String> {
        self.choose_environment(None).ok().flatten()
    }

    fn choose_environment(&self, chosen: Option<&str>) -> Result<Option<String>, BindError> {
        let known = self.environments();
        if let Some(chosen) = chosen {
            if known.contains(&chosen) {
                return Ok(Some(chosen.to_owned()));
            }
            let error = BindError::new(
                Path::root().key("environments"),
                format!("there is no environment `{chosen}`"),
            );
            return Err(match nearest(chosen, known.iter().copied()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None if known.is_empty() => error.help("the pipeline declares none; leave `--env` out"),
                None => error.help(format!("environments are {}", known.join(", "))),
            });
        }
        let default = self
            .project
            .as_ref()
            .and_then(|project| project.default_environment.as_deref());
        Ok(match (default, known.as_slice()) {
            (Some(default), known) if known.contains(&default) => Some(default.to_owned()),
            (_, known) if known.contains(&"dev") => Some("dev".to_owned()),
            (_, [one]) => Some((*one).to_owned()),
            _ => None,
        })
    }

    fn environment(&self, name: Option<&str>) -> Option<&Environment> {
        self.spec.environments.get(name?)
    }

    pub(crate) fn vars(&self, environment: Option<&str>) -> Map<String, Value> {
        let shared = environment
            .and_then(|name| self.project.as_ref()?.environments.get(name))
            .into_iter()
            .flat_map(|environment| &environment.vars);
        let own = self
            .environment(environment)
            .into_iter()
            .flat_map(|environment| &environment.vars);
        shared
            .chain(own)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Parts of the document that this version reads and does not act on.
    fn not_obeyed(&self) -> Vec<String> {
        let spec = &self.spec;
        let mut parts = Vec::new();
        let mut add = |is_there: bool, name: &str| {
            if is_there {
                parts.push(name.to_owned());
            }
        };
        add(!spec.alerts.is_empty(), "alerts");
        if let Some(budget) = &spec.budget {
            let prices = self.prices().filter(|prices| prices.currency == budget.currency);
            add(
                budget.per_run.is_some() && prices.is_none(),
                "budget.per_run (trainyard.yaml has no prices in its currency)",
            );
            add(
                budget.per_month.is_some() && prices.is_none(),
                "budget.per_month (trainyard.yaml has no prices in its currency)",
            );
        }
        for ((name, step), wired) in spec.steps.iter().zip(&self.steps) {
            let is_process = wired
                .kind
                .as_ref()
                .is_some_and(|kind| kind.signature.runner == trainyard_contract::Runner::Process);
            if !is_process && !step.env.is_empty() {
                parts.push(format!("steps.{name}.env"));
            }
        }
        parts.extend(self.mails_without_server());
        parts.extend(self.expansion.not_taken.iter().cloned());
        parts
    }
}

impl Binding<'_> {
    fn datasets(&mut self) -> IndexMap<String, DatasetRef> {
        let mut datasets = IndexMap::new();
        for (name, dataset) in &self.pipeline.spec.datasets {
            let at = Path::root().key("datasets").key(name);
            let location = self.render(&at.key("path"), &Value::String(dataset.path.clone()), &[]);
            let options: Map<String, Value> = dataset
                .options
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            let options = self.render(&at.key("options"), &Value::Object(options), &[]);
            let (Some(Value::String(location)), Some(options)) = (location, options) else {
                continue;
            };
            datasets.insert(
                name.clone(),
                DatasetRef {
                    name: name.clone(),
                    location: local(&location),
                    folder: None,
                    format: dataset.format.map(|format| format.as_str().to_owned()),
                    options: if options.as_object().is_some_and(Map::is_empty) {
                        Value::Null
                    } else {
                        options
                    },
                    contract: dataset.contract.clone(),
                    content: None,
                },
            );
        }
        datasets
    }

    /// Where the run stands among others.
    fn place(&mut self) -> Option<Place> {
        let concurrency = self.pipeline.spec.concurrency.as_ref()?;
        let group = match &concurrency.group {
            None => self.pipeline.name.as_str().to_owned(),
            Some(written) => {
                let at = Path::root().key("concurrency").key("group");
                match self.render(&at, &Value::String(written.clone()), &[])? {
                    Value::String(group) => group,
                    // An expression alone keeps its type.
                    other => other.to_string(),
                }
            }
        };
        Some(Place {
            group,
            policy: Policy::of(Some(concurrency)),
        })
    }

    /// The value with its expressions evaluated, but for those that mention `unknown` roots.
    fn render(&mut self, at: &Path, value: &Value, unknown: &[&str]) -> Option<Value> {
        match render_known(value, &self.values, unknown) {
            Ok(partial) => Some(partial.value),
            Err(error) => {
                let error = self.explain(at, &error);
                self.errors.push(error);
                None
            }
        }
    }

    fn explain(&self, at: &Path, error: &RenderError) -> BindError {
        let mut found = BindError::new(at.join(&error.path), error.error.message.clone());
        found.help.clone_from(&error.error.help);
        // Most often nobody said which environment the run is for.
        let known = self.pipeline.environments();
        if self.values.environment.is_none() && !known.is_empty() {
            found.help = Some(format!(
                "choose an environment: --env {}",
                known.join(" or --env ")
            ));
        }
        found
    }
}

/// `file://` is how a local path looks among URLs.
fn local(location: &str) -> String {
    match location.strip_prefix("file://") {
        Some(path) => super::files::in_project(path).unwrap_or_else(|| path.to_owned()),
        None => location.to_owned(),
    }
}

#[cfg(test)]
mod tests;
