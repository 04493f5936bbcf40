//! Instances: one for each cell of each step, with edges to what they wait for, and hooks.

use super::matrix::MAX_INSTANCES;
use super::{BindError, Binding};
use crate::expression::Template;
use crate::pipeline::infer::script;
use crate::pipeline::spec::{ForEach as ForEachSpec, MatrixValues, Step as StepSpec};
use crate::pipeline::values::fill_columns;
use crate::pipeline::wiring::{Kind, Occasion, Source, WiredHook};
use crate::run::definition::{
    ApprovalRule, BoundInput, BoundProcess, CachePolicy, Condition, ForEach, Hook, Instance, InstanceIx,
    MatrixLimits, OnExpire, Repeat, RunnerKind, Upstream,
};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use trainyard_contract::feature::FeatureDefinitions;
use trainyard_contract::step::FeatureUse;
use trainyard_contract::{Millis, Path, Runner};

/// Roots that only the run can fill.
const LATER: [&str; 5] = ["steps", "item", "item_index", "iteration", "previous"];

/// Items of a `for_each` that says nothing else.
const MAX_ITEMS: u32 = 100_000;

impl Binding<'_> {
    pub(super) fn instances(&mut self) -> Vec<Instance> {
        let pipeline = self.pipeline;
        let mut cells = Vec::with_capacity(pipeline.steps.len());
        let mut places: Vec<Range<usize>> = Vec::with_capacity(pipeline.steps.len());
        let mut count = 0usize;
        for (name, step) in &pipeline.spec.steps {
            let of_step = match &step.matrix {
                None => vec![(name.clone(), None)],
                Some(matrix) => self
                    .cells(name, matrix)
                    .into_iter()
                    .map(|(name, cell)| (name, Some(cell)))
                    .collect(),
            };
            places.push(count..count + of_step.len());
            count += of_step.len();
            cells.push(of_step);
        }
        if count > MAX_INSTANCES {
            let message = format!("the run has {count} step instances; at most {MAX_INSTANCES} are possible");
            self.errors
                .push(BindError::new(Path::root().key("steps"), message));
        }
        if !self.errors.is_empty() {
            return Vec::new();
        }
        let mut instances = Vec::with_capacity(count);
        let mut hooks = Vec::new();
        for (index, cells) in cells.into_iter().enumerate() {
            for (name, cell) in cells {
                self.values.matrix.clone_from(&cell);
                let at = InstanceIx::try_from(instances.len()).unwrap_or(InstanceIx::MAX);
                if let Some(instance) = self.instance(index, name, cell, &places) {
                    instances.push(instance);
                }
                hooks.extend(self.hooks(Occasion::StepFailed(index), Hook::OnFailure(at)));
            }
            self.values.matrix = None;
        }
        hooks.extend(self.hooks(Occasion::RunFailed, Hook::RunFailed));
        hooks.extend(self.hooks(Occasion::Finally, Hook::Finally));
        instances.extend(hooks);
        instances
    }

    /// The definitions that a step needs: of views that its parameters or inputs name.
    fn features(
        &self,
        feature_use: &FeatureUse,
        inputs: &IndexMap<String, BoundInput>,
    ) -> FeatureDefinitions {
        let as_inputs = inputs.values().filter_map(|bound| match bound {
            BoundInput::Features(features) => Some(features.view.as_str()),
            _ => None,
        });
        let named = feature_use.reads.iter().chain(&feature_use.writes);
        let names: Vec<&str> = named.map(String::as_str).chain(as_inputs).collect();
        if names.is_empty() {
            return FeatureDefinitions::default();
        }
        self.pipeline.features.needed(names)
    }

    fn hooks(&mut self, occasion: Occasion, bound: Hook) -> Vec<Instance> {
        let pipeline = self.pipeline;
        let hooks = pipeline.hooks.iter().filter(|hook| hook.occasion == occasion);
        hooks.filter_map(|hook| self.hook(hook, bound)).collect()
    }

    fn instance(
        &mut self,
        index: usize,
        name: String,
        cell: Option<Map<String, Value>>,
        places: &[Range<usize>],
    ) -> Option<Instance> {
        let pipeline = self.pipeline;
        let (step, spec) = pipeline.spec.steps.get_index(index)?;
        let wired = &pipeline.steps[index];
        let kind = wired.kind.as_ref()?;
        let at = Path::root().key("steps").key(step);
        let image = self.text(&at.key("image"), spec.image.as_deref());
        let with = self.with(&at, &spec.with, kind, spec.run.as_deref(), image.as_deref())?;
        let runner = runner(kind);
        let has_effect = kind.effect().is_some() || runner == RunnerKind::Orchestrator;
        let approval = (runner == RunnerKind::Orchestrator).then(|| self.approval(&at, &with, spec));
        let process = if runner == RunnerKind::Process {
            Some(self.process(&at, kind, &with, &spec.env, &spec.secrets, &spec.code)?)
        } else {
            None
        };
        let timeout = if approval.is_some() { None } else { spec.timeout };
        let mut limits = pipeline.limits(timeout, spec.resources.as_ref());
        if approval.is_some() {
            limits.timeout = None;
        }
        let feature_use = kind.step.features(&with);
        let bound_inputs = inputs(&wired.inputs, places);
        Some(Instance {
            name,
            step: step.parse().ok()?,
            uses: wired.uses.clone(),
            runner,
            effect: kind.effect().map(str::to_owned),
            revision: kind.signature.revision,
            matrix: cell.unwrap_or_default(),
            upstream: upstream(wired.data(), wired.upstream(), places),
            features: self.features(&feature_use, &bound_inputs),
            inputs: bound_inputs,
            outputs: wired.outputs.clone(),
            memory: kind.step.memory(&with),
            feature_use,
            with,
            condition: self.condition(&at, spec)?,
            secrets: if process.is_none() {
                spec.secrets
                    .iter()
                    .map(|(variable, name)| (variable.clone(), name.clone()))
                    .collect()
            } else {
                BTreeMap::new()
            },
            process,
            retry: pipeline.retry(spec.retry.as_ref()),
            limits,
            pool: (runner != RunnerKind::Orchestrator)
                .then(|| pipeline.pool(spec.pool.as_deref()))
                .flatten()
                .map(str::to_owned),
            cache: if runner == RunnerKind::Orchestrator {
                CachePolicy::Off
            } else {
                pipeline.cache(spec.cache.as_ref(), has_effect)
            },
            continue_on_error: spec.continue_on_error,
            tolerated_by: pipeline.expansion.tolerated.get(step).cloned(),
            matrix_limits: spec.matrix.as_ref().map(|matrix| MatrixLimits {
                max_parallel: matrix.max_parallel,
                fail_fast: matrix.fail_fast.unwrap_or(true),
            }),
            for_each: match &spec.for_each {
                Some(each) => Some(self.for_each(&at, each)?),
                None => None,
            },
            repeat: spec.repeat.as_ref().map(|repeat| Repeat {
                until: repeat.until.clone(),
                max_iterations: repeat.max_iterations,
                delay: repeat.delay.map_or(Millis(0), |delay| delay.0),
                on_limit: repeat.on_limit,
            }),
            approval,
            hook: None,
            tags: spec.tags.clone(),
        })
    }

    fn hook(&mut self, hook: &WiredHook, occasion: Hook) -> Option<Instance> {
        let pipeline = self.pipeline;
        let spec = &hook.spec;
        let at = match hook.occasion {
            Occasion::StepFailed(index) => {
                let (step, _) = pipeline.spec.steps.get_index(index)?;
                Path::root().key("steps").key(step).key("on_failure")
            }
            Occasion::RunFailed => Path::root().key("on_failure"),
            Occasion::Finally => Path::root().key("finally"),
        };
        let image = self.text(&at.key("image"), spec.image.as_deref());
        let with = self.with(&at, &spec.with, &hook.kind, spec.run.as_deref(), image.as_deref())?;
        let runner = runner(&hook.kind);
        let process = if runner == RunnerKind::Process {
            Some(self.process(&at, &hook.kind, &with, &spec.env, &spec.secrets, &spec.code)?)
        } else {
            None
        };
        let cell = self.values.matrix.clone().unwrap_or_default();
        let name = if cell.is_empty() {
            hook.name.clone()
        } else {
            let values: Vec<String> = cell
                .iter()
                .map(|(axis, value)| {
                    format!(
                        "{axis}={}",
                        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                    )
                })
                .collect();
            format!("{}[{}]", hook.name, values.join(","))
        };
        Some(Instance {
            name,
            step: hook.name.parse().ok()?,
            uses: hook.uses.clone(),
            runner,
            effect: hook.kind.effect().map(str::to_owned),
            revision: hook.kind.signature.revision,
            matrix: cell,
            upstream: Vec::new(),
            inputs: IndexMap::new(),
            outputs: IndexMap::new(),
            with,
            condition: Condition::Always,
            process,
            secrets: BTreeMap::new(),
            memory: None,
            feature_use: Default::default(),
            features: FeatureDefinitions::default(),
            retry: pipeline.retry(spec.retry.as_ref()),
            limits: pipeline.limits(spec.timeout, spec.resources.as_ref()),
            // Hooks are what is done about a run: they wait for nobody.
            pool: None,
            cache: CachePolicy::Off,
            continue_on_error: true,
            tolerated_by: None,
            matrix_limits: None,
            for_each: None,
            repeat: None,
            approval: None,
            hook: Some(occasion),
            tags: Vec::new(),
        })
    }

    fn for_each(&mut self, at: &Path, each: &ForEachSpec) -> Option<ForEach> {
        let written = match &each.items {
            MatrixValues::List(items) => Value::Array(items.clone()),
            MatrixValues::Expression(text) => Value::String(text.clone()),
        };
        let at = at.key("for_each").key("items");
        let items = self.render(&at, &written, &LATER)?;
        if !matches!(items, Value::Array(_) | Value::String(_)) {
            let message = format!("`for_each` needs a list, and this is {items}");
            self.errors.push(BindError::new(at, message));
            return None;
        }
        Some(ForEach {
            items,
            max_parallel: each.max_parallel,
            fail_fast: each.fail_fast.unwrap_or(true),
            max_items: each.max_items.unwrap_or(MAX_ITEMS),
        })
    }

    fn text(&mut self, at: &Path, text: Option<&str>) -> Option<String> {
        match self.render(at, &Value::String(text?.to_owned()), &LATER)? {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }

    fn with(
        &mut self,
        at: &Path,
        written: &Map<String, Value>,
        kind: &Kind,
        run: Option<&str>,
        image: Option<&str>,
    ) -> Option<Value> {
        let at = at.key("with");
        let mut with = self.render(&at, &Value::Object(written.clone()), &LATER)?;
        let mut unknown = BTreeSet::new();
        fill_columns(&mut with, &kind.signature.params, &self.values, &mut unknown);
        for path in unknown {
            let error = BindError::new(path, "a value that this column expression uses is not set");
            self.errors.push(match self.values.environment {
                None => error.help("choose an environment with --env"),
                Some(_) => error,
            });
        }
        script(&mut with, run, image);
        Some(with)
    }

    fn process(
        &mut self,
        at: &Path,
        kind: &Kind,
        with: &Value,
        env: &IndexMap<String, Value>,
        secrets: &IndexMap<String, String>,
        code: &[String],
    ) -> Option<BoundProcess> {
        let Some(command) = kind.step.process(with) else {
            let message = format!(
                "`{}` cannot tell which command its parameters stand for",
                kind.step.uses()
            );
            self.errors.push(BindError::new(at.key("with"), message));
            return None;
        };
        let mut all: BTreeMap<String, String> = command.env;
        let written: Map<String, Value> = env
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let env = self.render(&at.key("env"), &Value::Object(written), &LATER)?;
        for (name, value) in env.as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            all.insert(name.clone(), text);
        }
        let mut all_secrets = command.secrets;
        all_secrets.extend(
            secrets
                .iter()
                .map(|(variable, secret)| (variable.clone(), secret.clone())),
        );
        let mut files = kind.step.code(with);
        files.extend(code.iter().cloned());
        files.dedup();
        Some(BoundProcess {
            argv: command.argv,
            env: all,
            secrets: all_secrets,
            image: command.image,
            code: files,
        })
    }

    fn condition(&mut self, at: &Path, spec: &StepSpec) -> Option<Condition> {
        let text = match &spec.condition {
            None | Some(Value::Bool(true)) => return Some(Condition::Always),
            Some(Value::Bool(false)) => return Some(Condition::Never("false".to_owned())),
            Some(Value::String(text)) => text,
            Some(_) => return None,
        };
        let inside = Template::parse(text).ok().and_then(|template| {
            template
                .single()
                .map(|expression| text[expression.at()].trim().to_owned())
        });
        let at = at.key("if");
        let Some(inside) = inside else {
            self.errors
                .push(BindError::new(at, "`if` has to be one expression"));
            return None;
        };
        match self.render(&at, &Value::String(text.clone()), &LATER)? {
            Value::Bool(true) => Some(Condition::Always),
            Value::Bool(false) => Some(Condition::Never(inside)),
            Value::String(later) if later == *text => Some(Condition::When(inside)),
            other => {
                self.errors.push(BindError::new(
                    at,
                    format!("`if` has to be a boolean, and this is {other}"),
                ));
                None
            }
        }
    }

    fn approval(&mut self, at: &Path, with: &Value, spec: &StepSpec) -> ApprovalRule {
        let at = at.key("with");
        let duration = |name: &str| with.get(name).and_then(Value::as_str).map(str::parse::<Millis>);
        let expires = match duration("expires") {
            Some(Ok(expires)) => Some(expires),
            Some(Err(message)) => {
                self.errors.push(BindError::new(at.key("expires"), message));
                None
            }
            None => spec.timeout.map(|timeout| timeout.0),
        };
        ApprovalRule {
            roles: with
                .get("roles")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|role| role.as_str().map(str::to_owned))
                .collect(),
            min_approvals: with
                .get("min_approvals")
                .and_then(Value::as_u64)
                .and_then(|least| u32::try_from(least).ok())
                .unwrap_or(1),
            not_author: with.get("not_author").and_then(Value::as_bool).unwrap_or(false),
            expires,
            on_expire: match with.get("on_expire").and_then(Value::as_str) {
                Some("approve") => OnExpire::Approve,
                _ => OnExpire::Reject,
            },
        }
    }
}

fn runner(kind: &Kind) -> RunnerKind {
    match kind.signature.runner {
        Runner::Worker => RunnerKind::Worker,
        Runner::Process => RunnerKind::Process,
        Runner::Orchestrator => RunnerKind::Orchestrator,
    }
}

fn indices(range: &Range<usize>) -> impl Iterator<Item = InstanceIx> {
    range
        .clone()
        .map(|index| InstanceIx::try_from(index).unwrap_or(InstanceIx::MAX))
}

fn upstream(data: BTreeSet<usize>, all: BTreeSet<usize>, places: &[Range<usize>]) -> Vec<Upstream> {
    all.into_iter()
        .flat_map(|step| {
            let data = data.contains(&step);
            indices(&places[step]).map(move |instance| Upstream { instance, data })
        })
        .collect()
}

fn inputs(sources: &IndexMap<String, Source>, places: &[Range<usize>]) -> IndexMap<String, BoundInput> {
    sources
        .iter()
        .map(|(name, source)| {
            let bound = match source {
                Source::Dataset(dataset) => BoundInput::Dataset(dataset.clone()),
                Source::Registry {
                    model,
                    alias,
                    optional,
                } => BoundInput::Registry {
                    model: model.clone(),
                    alias: alias.clone(),
                    optional: *optional,
                },
                Source::Features(features) => BoundInput::Features(features.clone()),
                Source::Output {
                    step,
                    output,
                    all: true,
                } => BoundInput::Collected {
                    instances: indices(&places[*step]).collect(),
                    output: output.clone(),
                },
                Source::Output {
                    step,
                    output,
                    all: false,
                } => BoundInput::Output {
                    instance: InstanceIx::try_from(places[*step].start).unwrap_or(InstanceIx::MAX),
                    output: output.clone(),
                },
            };
            (name.clone(), bound)
        })
        .collect()
}
