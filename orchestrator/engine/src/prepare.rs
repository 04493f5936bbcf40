//! From a step instance that may start to the document an executor takes, or to an earlier result.

use crate::code::Workplace;
use crate::features;
use crate::fingerprint::{self, FingerprintError};
use crate::memory;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::path::Path;
use trainyard_contract::feature::StoredView;
use trainyard_contract::task::{Failure, FailureClass, TASK_VERSION, TaskInput, TaskSpec, chain};
use trainyard_contract::{ContentHash, Memory, Millis, Objects, OutputValue, RunId, Timestamp};
use trainyard_domain::run::reuse::{InputPart, KeyParts, reuse_key};
use trainyard_domain::run::{
    BoundInput, CachePolicy, Instance, InstanceIx, Rendered, Run, RunnerKind, StepState,
};
use trainyard_store::{Home, Reusable, Store, StoreError};

/// Runs in a row that took the same outputs over, of which is asked who made them. After more, the step runs
/// once more, and its result has a key of its own.
const TAKEN_OVER: usize = 8;

/// Content of a run's outside world as first seen by it: it must not change under a run's feet.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    datasets: BTreeMap<String, Option<ContentHash>>,
    code: BTreeMap<String, ContentHash>,
    /// By what the run calls them, `weather` or `weather@v2`; none: there are no rows.
    views: BTreeMap<String, Option<StoredView>>,
}

impl Surroundings {
    /// Datasets whose content is known, and snapshots of feature views.
    pub(crate) fn contents(&self) -> Vec<(String, ContentHash)> {
        let datasets = self.datasets.iter();
        let datasets = datasets.filter_map(|(name, content)| Some((name.clone(), (*content)?)));
        let views = self.views.values().flatten();
        let views = views.filter_map(|stored| {
            let snapshot = stored.snapshot.as_ref()?;
            Some((features::name_of(&stored.view), snapshot.manifest.hash))
        });
        datasets.chain(views).collect()
    }

    /// Has a view looked up again, which the run has written.
    pub(crate) fn forget_view(&mut self, view: &str) {
        self.views
            .retain(|name, _| name.split('@').next() != Some(view));
    }
}

/// What to do with an instance that may start.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// The task lacks what only the attempt's number gives: see [`number`].
    Launch {
        key: Option<ContentHash>,
        spec: Box<TaskSpec>,
    },
    Reuse {
        key: ContentHash,
        found: Box<Reusable>,
    },
    Reject(Box<Failure>),
}

/// Why preparing failed in a way that ends the engine instead of the step.
pub(crate) type PrepareError = StoreError;

/// What preparing needs beside the run.
pub(crate) struct Workshop<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) objects: &'a Objects,
    pub(crate) workplace: &'a Workplace,
    pub(crate) epoch: u64,
    pub(crate) reuse: bool,
    pub(crate) now: Timestamp,
}

impl Workshop<'_> {
    /// Evaluates the instance's parameters, gathers its inputs, and looks for an earlier result of
    /// the same key whose objects are still there.
    pub(crate) fn prepare(
        &mut self,
        run: &Run,
        surroundings: &mut Surroundings,
        ix: InstanceIx,
    ) -> Result<Prepared, PrepareError> {
        let definition = run.definition().clone();
        let Some(instance) = run.instance_at(ix) else {
            return Ok(reject(
                FailureClass::Internal,
                format!("no step instance {ix}"),
                Vec::new(),
            ));
        };
        if let Some(fault) = self.workplace.fault() {
            return Ok(Prepared::Reject(Box::new(fault.clone())));
        }
        let instance = instance.as_ref();
        let rendered = match run.render_instance(ix) {
            Ok(rendered) => rendered,
            Err(error) => {
                return Ok(reject(
                    FailureClass::Rejected,
                    "could not evaluate the step's parameters",
                    chain(&error),
                ));
            }
        };
        let inputs = match self.inputs(run, surroundings, instance)? {
            Ok(inputs) => inputs,
            Err(failure) => return Ok(Prepared::Reject(failure)),
        };
        let previous = match self.previous(run, instance)? {
            Ok(previous) => previous,
            Err(failure) => return Ok(Prepared::Reject(failure)),
        };
        let (previous, made_by) = match previous {
            Some(remembered) => (remembered.outputs, Some(remembered.run)),
            None => (IndexMap::new(), None),
        };
        let key = match self.key(run, surroundings, instance, &rendered, &inputs, &previous)? {
            Ok(key) => key,
            Err(failure) => return Ok(Prepared::Reject(failure)),
        };
        if let (Some(key), true, CachePolicy::On { ttl, .. }) = (key, self.reuse, &instance.cache) {
            if let Some(found) = self.look_up(&key, *ttl)? {
                return Ok(Prepared::Reuse {
                    key,
                    found: Box::new(found),
                });
            }
            if let Some(made_by) = made_by
                && instance.memory == Some(Memory::Latest)
            {
                // If what is remembered was made from the same inputs, there is nothing to go on with.
                let earlier = self.before(run, instance, &previous, made_by)?;
                if let Ok(Some(key)) = self.key(run, surroundings, instance, &rendered, &inputs, &earlier)?
                    && let Some(found) = self.look_up(&key, *ttl)?
                    && found.outputs == previous
                {
                    return Ok(Prepared::Reuse {
                        key,
                        found: Box::new(found),
                    });
                }
            }
        }
        let spec = TaskSpec {
            version: TASK_VERSION,
            run: run.id().to_string(),
            pipeline: definition.pipeline.to_string(),
            instance: instance.name.clone(),
            step: instance.step.to_string(),
            attempt: 0,
            epoch: self.epoch,
            uses: instance.uses.clone(),
            with: rendered.with,
            inputs,
            outputs: instance.outputs.clone(),
            contracts: definition.contracts.clone(),
            matrix: instance.matrix.clone(),
            process: rendered.process,
            secrets: instance.secrets.clone(),
            previous,
            feature_views: Default::default(),
            features: Default::default(),
            limits: instance.limits.clone(),
            project: self.workplace.code().to_owned(),
            data: self.workplace.data().map(Path::to_owned),
            objects: self.objects.folder().to_owned(),
            scratch: Default::default(),
            log: Default::default(),
            traceparent: None,
        };
        Ok(Prepared::Launch {
            key,
            spec: Box::new(spec),
        })
    }

    /// Inputs as documents; the inner error fails the step.
    fn inputs(
        &mut self,
        run: &Run,
        surroundings: &mut Surroundings,
        instance: &Instance,
    ) -> Result<Result<IndexMap<String, TaskInput>, Box<Failure>>, PrepareError> {
        let definition = run.definition();
        let mut inputs = IndexMap::with_capacity(instance.inputs.len());
        for (name, bound) in &instance.inputs {
            let input = match bound {
                BoundInput::Dataset(dataset) => {
                    let Some(declared) = definition.datasets.get(dataset) else {
                        return Ok(Err(failure(
                            FailureClass::Internal,
                            format!("no dataset `{dataset}`"),
                            Vec::new(),
                        )));
                    };
                    let mut reference = declared.clone();
                    match self.dataset(surroundings, dataset, &reference.location)? {
                        Ok(content) => reference.content = content,
                        Err(failure) => return Ok(Err(failure)),
                    }
                    let start = self.workplace.start_of(&reference.location);
                    reference.folder = (start != self.workplace.code()).then(|| start.to_owned());
                    TaskInput::Dataset(reference)
                }
                BoundInput::Output {
                    instance: from,
                    output,
                } => match output_of(run, *from, output) {
                    Some(value) => TaskInput::Output(value.clone()),
                    None => return Ok(Err(no_output(run, *from, output))),
                },
                BoundInput::Collected { instances, output } => {
                    let mut cells = Vec::with_capacity(instances.len());
                    for from in instances.iter().flat_map(|from| run.cells_of(*from)) {
                        if let Some(value) = output_of(run, from, output) {
                            cells.push((run.matrix_of(from), value.clone()));
                        }
                    }
                    TaskInput::Collected(cells)
                }
                BoundInput::Registry {
                    model,
                    alias,
                    optional,
                } => match self.store.model_version(model, alias) {
                    Ok(version) => TaskInput::Registered {
                        name: model.clone(),
                        version: version.version,
                        model: Box::new(version.draft.model),
                    },
                    Err(StoreError::NoModel(_) | StoreError::NoModelVersion { .. }) if *optional => {
                        TaskInput::Absent
                    }
                    Err(StoreError::NoModel(_) | StoreError::NoModelVersion { .. }) => {
                        let text = format!("the registry has no model `{model}@{alias}`");
                        return Ok(Err(failure(FailureClass::Rejected, text, Vec::new())));
                    }
                    Err(error) => return Err(error),
                },
            };
            inputs.insert(name.clone(), input);
        }
        Ok(Ok(inputs))
    }

    fn dataset(
        &mut self,
        surroundings: &mut Surroundings,
        name: &str,
        location: &str,
    ) -> Result<Result<Option<ContentHash>, Box<Failure>>, PrepareError> {
        if let Some(known) = surroundings.datasets.get(name) {
            return Ok(Ok(*known));
        }
        match fingerprint::content_of(self.store, self.workplace.start_of(location), location, self.now) {
            Ok(content) => {
                surroundings.datasets.insert(name.to_owned(), content);
                Ok(Ok(content))
            }
            Err(FingerprintError::Store(error)) => Err(error),
            Err(error) => {
                let text = format!("could not read dataset `{name}`");
                Ok(Err(failure(FailureClass::IoError, text, chain(&error))))
            }
        }
    }

    /// What the instance gave in an earlier run, as far as it wants to see it; the inner error fails the step.
    fn previous(
        &mut self,
        run: &Run,
        instance: &Instance,
    ) -> Result<Result<Option<memory::Remembered>, Box<Failure>>, PrepareError> {
        let Some(memory) = &instance.memory else {
            return Ok(Ok(None));
        };
        let found = memory::outputs(self.store, self.objects, run, instance, memory, None)?;
        Ok(match (found, memory) {
            (None, Memory::AsOf(text)) => Err(failure(
                FailureClass::Rejected,
                format!("`{}` had no snapshot as of {text}", instance.name),
                Vec::new(),
            )),
            (found, _) => Ok(found),
        })
    }

    /// What the instance had given before it gave `previous`, which the run `made_by` did or took over.
    fn before(
        &mut self,
        run: &Run,
        instance: &Instance,
        previous: &IndexMap<String, OutputValue>,
        made_by: RunId,
    ) -> Result<IndexMap<String, OutputValue>, PrepareError> {
        let mut before = made_by;
        for _ in 0..TAKEN_OVER {
            let found = memory::outputs(
                self.store,
                self.objects,
                run,
                instance,
                &Memory::Latest,
                Some(&before),
            )?;
            match found {
                Some(found) if found.outputs == *previous => before = found.run,
                Some(found) => return Ok(found.outputs),
                None => break,
            }
        }
        Ok(IndexMap::new())
    }

    /// The reuse key, or nothing if the instance may not be reused or an input has no known content.
    fn key(
        &mut self,
        run: &Run,
        surroundings: &mut Surroundings,
        instance: &Instance,
        rendered: &Rendered,
        inputs: &IndexMap<String, TaskInput>,
        previous: &IndexMap<String, OutputValue>,
    ) -> Result<Result<Option<ContentHash>, Box<Failure>>, PrepareError> {
        if matches!(instance.cache, CachePolicy::Off) || instance.runner == RunnerKind::Orchestrator {
            return Ok(Ok(None));
        }
        let mut parts = Vec::with_capacity(inputs.len());
        for (name, input) in inputs {
            match InputPart::of(name, input) {
                Some(part) => parts.push(part),
                None => return Ok(Ok(None)),
            }
        }
        parts.extend(
            previous
                .iter()
                .map(|(name, output)| InputPart::of_previous(name, output)),
        );
        let mut code = Vec::new();
        for location in code_files(instance) {
            let hash = match surroundings.code.get(&location) {
                Some(hash) => *hash,
                None => match fingerprint::content_of(self.store, self.workplace.code(), &location, self.now)
                {
                    Ok(Some(hash)) => {
                        surroundings.code.insert(location.clone(), hash);
                        hash
                    }
                    Ok(None) => return Ok(Ok(None)),
                    Err(FingerprintError::Store(error)) => return Err(error),
                    Err(error) => {
                        let text = format!("could not read `{location}`");
                        return Ok(Err(failure(FailureClass::Rejected, text, chain(&error))));
                    }
                },
            };
            code.push((location, hash));
        }
        let definition = run.definition();
        Ok(Ok(Some(reuse_key(&KeyParts {
            instance,
            with: &rendered.with,
            process: rendered.process.as_ref(),
            inputs: &parts,
            code: &code,
            contracts: &definition.contracts,
        }))))
    }

    fn look_up(&mut self, key: &ContentHash, ttl: Option<Millis>) -> Result<Option<Reusable>, PrepareError> {
        let oldest = ttl.map(|ttl| {
            Timestamp(
                self.now
                    .0
                    .saturating_sub(i64::try_from(ttl.0).unwrap_or(i64::MAX).saturating_mul(1000)),
            )
        });
        let found = self.store.reusable(key, oldest)?;
        Ok(found.filter(|found| found.outputs.values().all(|value| self.still_there(value))))
    }

    fn still_there(&self, value: &OutputValue) -> bool {
        match value {
            OutputValue::Artifact(artifact) => self.objects.contains(&artifact.hash),
            OutputValue::Value(_) => true,
        }
    }
}

/// Completes a task with its attempt's number and the places that follow from it.
pub(crate) fn number(spec: &mut TaskSpec, home: &Home, run: &Run, attempt: u32) {
    spec.attempt = attempt;
    spec.scratch = home.scratch_path(run.id(), &spec.instance, attempt);
    // An engine that has lost the run may still be at an attempt of that number, whose start was never stored.
    spec.scratch.as_mut_os_string().push(format!("@{}", spec.epoch));
    spec.log = home.log_path(run.id(), &spec.instance, attempt);
}

/// Files whose content is part of a process step's key, and the schema files its outputs name.
pub(crate) fn code_files(instance: &Instance) -> Vec<String> {
    let declared = instance
        .outputs
        .values()
        .flat_map(|output| [&output.input_schema, &output.output_schema]);
    let mut files: Vec<String> = declared.flatten().cloned().collect();
    if let Some(process) = &instance.process {
        files.extend(process.code.iter().cloned());
    }
    files
}

/// An output of an instance that has ended well.
pub(crate) fn output_of<'a>(run: &'a Run, ix: InstanceIx, output: &str) -> Option<&'a OutputValue> {
    match run.step(ix) {
        StepState::Succeeded { outputs, .. } => outputs.get(output),
        _ => None,
    }
}

fn no_output(run: &Run, ix: InstanceIx, output: &str) -> Box<Failure> {
    failure(
        FailureClass::Rejected,
        format!("`{}` ended without its output `{output}`", run.name(ix)),
        Vec::new(),
    )
}

fn failure(class: FailureClass, message: impl Into<String>, causes: Vec<String>) -> Box<Failure> {
    Box::new(Failure {
        causes,
        ..Failure::new(class, message)
    })
}

fn reject(class: FailureClass, message: impl Into<String>, causes: Vec<String>) -> Prepared {
    Prepared::Reject(failure(class, message, causes))
}
