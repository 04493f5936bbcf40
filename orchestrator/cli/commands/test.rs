//! `trainyard test`: a pipeline's own `tests:`, each a step on small data, without a run or state.

use super::check::{Binding, Bound, bind};
use super::run::{Options, local_config};
use crate::args::TestArgs;
use crate::output::{Exit, Fault, Terminal, Tone};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Instant;
use trainyard_contract::data_contract::{ColumnContract, DataContract};
use trainyard_contract::task::{DatasetRef, TASK_VERSION, TaskInput, TaskReport, TaskSpec};
use trainyard_contract::{OutputValue, Schema, Shape};
use trainyard_domain::pipeline::TestCase;
use trainyard_domain::run::{BoundInput, Instance, Run};
use trainyard_executors::{AttemptKey, Executor, ExecutorNews, LocalExecutor};

pub(crate) fn test(args: &TestArgs, home: Option<&Path>, terminal: &mut Terminal) -> Result<Exit, Fault> {
    let bound = match bind(&args.bind, None, home, terminal)? {
        Binding::Ready(bound) => *bound,
        Binding::Refused => return Ok(Exit::Refused),
    };
    let wanted = |case: &&TestCase| {
        args.filter
            .as_ref()
            .is_none_or(|filter| case.name.contains(filter.as_str()))
    };
    let cases: Vec<TestCase> = bound.pipeline.tests().iter().filter(wanted).cloned().collect();
    if cases.is_empty() {
        terminal.note(format!(
            "pipeline `{}` has no tests that match",
            bound.pipeline.name()
        ));
        return Ok(Exit::Done);
    }
    let mut failed = 0;
    for case in &cases {
        let start = Instant::now();
        let differences = try_out(&bound, case, args, home, terminal)?;
        let millis = start.elapsed().as_millis();
        if terminal.is_json() {
            terminal.out_json(&serde_json::json!({
                "test": case.name, "step": case.step, "passed": differences.is_empty(), "differences": differences,
            }));
        } else if differences.is_empty() {
            terminal.status(Tone::Good, "Passed", format!("{} ({millis} ms)", case.name));
        } else {
            terminal.status(Tone::Bad, "Failed", &case.name);
            for difference in &differences {
                terminal.note(format!("{:>12} {difference}", ""));
            }
        }
        failed += usize::from(!differences.is_empty());
    }
    if !terminal.is_json() {
        let tone = if failed == 0 { Tone::Good } else { Tone::Bad };
        terminal.status(
            tone,
            "Tests",
            format!("{} passed, {failed} failed", cases.len() - failed),
        );
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::Refused })
}

/// Runs one case and says how its outcome differs from what is expected.
fn try_out(
    bound: &Bound,
    case: &TestCase,
    args: &TestArgs,
    home: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Vec<String>, Fault> {
    // Params of the case override the command line's: the case is a claim about these values.
    let rebound;
    let bound = if case.params.is_empty() {
        bound
    } else {
        let mut bind_args = args.bind.clone();
        bind_args.params.extend(case.params.iter().map(|(name, value)| {
            (
                name.clone(),
                value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            )
        }));
        match bind(&bind_args, None, home, terminal)? {
            Binding::Ready(ready) => {
                rebound = *ready;
                &rebound
            }
            Binding::Refused => return Ok(vec!["its params do not pass the checks".to_owned()]),
        }
    };
    let id = trainyard_api::new_run_id(super::now())?;
    let run = Run::new(id.clone(), std::sync::Arc::new(bound.definition.clone()))?;
    let Some(ix) = run.instances_of(&case.step).first().copied() else {
        return Ok(vec![format!("there is no step `{}`", case.step)]);
    };
    let Some(instance) = bound.definition.instances.get(ix as usize) else {
        return Err(Fault::new(format!("no step instance {ix}")));
    };
    let folder =
        tempfile::tempdir().map_err(|error| Fault::while_doing("could not make a folder", &error))?;
    let rendered = match run.render_instance(ix) {
        Ok(rendered) => rendered,
        Err(error) => {
            return Ok(vec![format!(
                "its parameters need results of other steps: {error}"
            )]);
        }
    };
    let mut contracts: BTreeMap<String, DataContract> = bound.definition.contracts.clone();
    let mut inputs = IndexMap::new();
    for name in instance.inputs.keys() {
        let Some(file) = case.given.get(name) else {
            return Ok(vec![format!(
                "`given` lacks the input `{name}` of step `{}`",
                case.step
            )]);
        };
        let contract = given_contract(bound, instance, name, file);
        if let Some(contract) = &contract {
            contracts.insert(contract.name.clone(), contract.clone());
        }
        inputs.insert(
            name.clone(),
            TaskInput::Dataset(DatasetRef {
                name: name.clone(),
                location: file.clone(),
                folder: None,
                format: None,
                options: serde_json::Value::Null,
                contract: contract.map(|contract| contract.name),
                content: None,
            }),
        );
    }
    let spec = TaskSpec {
        version: TASK_VERSION,
        run: id.to_string(),
        pipeline: bound.definition.pipeline.to_string(),
        instance: instance.name.clone(),
        step: instance.step.to_string(),
        attempt: 1,
        epoch: 1,
        uses: instance.uses.clone(),
        with: rendered.with,
        inputs,
        outputs: instance.outputs.clone(),
        contracts,
        matrix: instance.matrix.clone(),
        process: rendered.process,
        secrets: Default::default(),
        previous: Default::default(),
        feature_views: Default::default(),
        features: Default::default(),
        limits: instance.limits.clone(),
        project: bound.project.root.clone(),
        data: None,
        objects: folder.path().join("objects"),
        scratch: folder.path().join("scratch"),
        log: folder.path().join("log"),
        traceparent: None,
    };
    let report = attempt(
        bound,
        AttemptKey {
            run: id,
            step: ix,
            attempt: 1,
        },
        spec.clone(),
    )?;
    if let Some(failure) = &report.failure {
        let mut lines = vec![format!("the step failed: {}", failure.message)];
        lines.extend(failure.causes.iter().cloned());
        return Ok(lines);
    }
    let mut differences = Vec::new();
    for (output, expected) in &case.expect {
        match report.outputs.get(output) {
            Some(OutputValue::Artifact(artifact)) => {
                let found = compare(&spec, artifact, expected)?;
                differences.extend(found.into_iter().map(|line| format!("{output}: {line}")));
            }
            Some(OutputValue::Value(value)) => {
                differences.push(format!("{output} is the value {value}, not a table"))
            }
            None => differences.push(format!("the step made no output `{output}`")),
        }
    }
    Ok(differences)
}

#[cfg(feature = "steps")]
fn compare(
    spec: &TaskSpec,
    actual: &trainyard_contract::ArtifactRef,
    expected: &str,
) -> Result<Vec<String>, Fault> {
    Ok(trainyard_steps::compare_table(spec, actual, expected)?)
}

#[cfg(not(feature = "steps"))]
fn compare(_: &TaskSpec, _: &trainyard_contract::ArtifactRef, _: &str) -> Result<Vec<String>, Fault> {
    Err(Fault::new(
        "this binary was built without the built-in steps, so it cannot compare tables",
    ))
}

fn attempt(bound: &Bound, key: AttemptKey, spec: TaskSpec) -> Result<TaskReport, Fault> {
    let (sender, news) = channel();
    let options = Options {
        reuse: false,
        no_wait: false,
        workers: Some(1),
    };
    let mut executor = LocalExecutor::new(local_config(&bound.project, &options)?, sender)?;
    executor.submit(key, spec)?;
    loop {
        match news.recv() {
            Ok(ExecutorNews::Ended { report, .. }) => return Ok(*report),
            Ok(ExecutorNews::Fault { message }) => return Err(Fault::new(message)),
            Ok(_) => {}
            Err(_) => return Err(Fault::new("the executor ended without a report")),
        }
    }
}

/// The types of a given file: those that the pipeline's checks know for the input, for the columns
/// the file has. A test gives only what matters to it.
fn given_contract(bound: &Bound, instance: &Instance, input: &str, file: &str) -> Option<DataContract> {
    let schema: Schema = match instance.inputs.get(input)? {
        BoundInput::Dataset(dataset) => {
            let contract = bound.definition.datasets.get(dataset)?.contract.as_ref()?;
            bound.definition.contracts.get(contract)?.schema(None)
        }
        BoundInput::Output { instance, output } => {
            let step = bound.definition.instances.get(*instance as usize)?.step.as_str();
            match bound.pipeline.shape(step, output)? {
                Shape::Table(schema) => schema.clone(),
                _ => return None,
            }
        }
        _ => return None,
    };
    let text = std::fs::read_to_string(bound.project.root.join(file)).ok()?;
    let header: Vec<String> = text
        .trim_start_matches('\u{feff}')
        .lines()
        .next()?
        .split(',')
        .map(|name| name.trim().trim_matches('"').to_owned())
        .collect();
    let columns: IndexMap<String, ColumnContract> = schema
        .columns
        .into_iter()
        .filter(|column| header.contains(&column.name))
        .map(|column| {
            let contract = ColumnContract {
                data_type: column.data_type,
                nullable: true,
                known_at: None,
                unit: column.unit,
                classification: column.classification,
                description: None,
                min: None,
                max: None,
                accepted_values: Vec::new(),
                pattern: None,
                unique: false,
            };
            (column.name, contract)
        })
        .collect();
    let keeps = |name: &String| columns.contains_key(name);
    Some(DataContract {
        version: 1,
        name: format!("given_{input}"),
        description: None,
        owner: None,
        event_time: schema.event_time.filter(keeps),
        primary_key: schema
            .primary_key
            .into_iter()
            .filter(|name| columns.contains_key(name))
            .collect(),
        moments: Vec::new(),
        freshness: None,
        columns,
        additional_columns: true,
    })
}
