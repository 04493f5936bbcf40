//! What expressions of a run see: its parameters, and what its steps have come to.

use super::Run;
use super::definition::{BoundProcess, InstanceIx};
use super::state::StepState;
use crate::expression::{self, Context, ExpressionError, RenderError};
use serde_json::{Map, Value, json};
use trainyard_contract::task::{Failure, ProcessSpec, chain};
use trainyard_contract::{FailureClass, OutputValue};

/// Names as an instance's expressions see them: `params`, `vars`, `environment`, `trigger`, `matrix`,
/// `run` and `steps`.
#[derive(Clone, Copy, Debug)]
pub struct RunContext<'a> {
    run: &'a Run,
    instance: InstanceIx,
}

impl<'a> RunContext<'a> {
    pub fn new(run: &'a Run, instance: InstanceIx) -> Self {
        Self { run, instance }
    }
}

impl Context for RunContext<'_> {
    fn root(&self, name: &str) -> Option<Value> {
        let definition = &self.run.definition;
        Some(match name {
            "params" => {
                let values = definition
                    .params
                    .iter()
                    .map(|(name, bound)| (name.clone(), bound.value.clone()));
                Value::Object(values.collect())
            }
            "vars" => Value::Object(definition.vars.clone()),
            "environment" => json!({ "name": definition.environment }),
            "trigger" => definition.trigger.clone(),
            "matrix" => Value::Object(self.run.instance(self.instance)?.matrix.clone()),
            "item" => self.run.value_of_item(self.instance)?.0.clone(),
            "iteration" => self.run.number_of_iteration(self.instance)?.into(),
            "previous" => match self.run.number_of_iteration(self.instance)? {
                0 => json!({ "outputs": {}, "metrics": {} }),
                _ => results(self.run, self.instance - 1),
            },
            // Of the iteration that `until` looks at.
            "outputs" | "metrics" => {
                self.run.number_of_iteration(self.instance)?;
                results(self.run, self.instance).get(name)?.clone()
            }
            "item_index" => self.run.value_of_item(self.instance)?.1.into(),
            "run" => json!({ "id": self.run.id }),
            _ => return None,
        })
    }

    fn step(&self, name: &str) -> Option<Value> {
        let cells = self.run.instances_of(name);
        let first = self.run.instance(*cells.first()?)?;
        match cells {
            [only] if first.for_each.is_some() => {
                let items = self.run.cells_of(*only);
                Some(items.map(|ix| seen(self.run, ix)).collect())
            }
            [only] if first.matrix.is_empty() => Some(seen(self.run, *only)),
            cells => Some(cells.iter().map(|ix| seen(self.run, *ix)).collect()),
        }
    }

    fn member(&self, root: &str, name: &str) -> Option<Value> {
        let definition = &self.run.definition;
        match root {
            "params" => definition.params.get(name).map(|bound| bound.value.clone()),
            "vars" => definition.vars.get(name).cloned(),
            "trigger" => definition.trigger.get(name).cloned(),
            "matrix" => self.run.instance(self.instance)?.matrix.get(name).cloned(),
            root => self.root(root)?.get(name).cloned(),
        }
    }
}

/// One instance as a value: `{status, matrix, outputs, metrics}`; an item has `item` in place of
/// `matrix`.
fn seen(run: &Run, ix: InstanceIx) -> Value {
    let state = run.step(ix);
    let mut value = match run.value_of_item(ix) {
        Some((item, _)) => json!({ "status": state.word(), "item": item }),
        None => json!({ "status": state.word(), "matrix": run.matrix_of(ix) }),
    };
    if let (StepState::Succeeded { .. }, Some(value), Value::Object(results)) =
        (state, value.as_object_mut(), results(run, ix))
    {
        value.extend(results);
    }
    value
}

/// What an instance has made: `{outputs, metrics}`.
fn results(run: &Run, ix: InstanceIx) -> Value {
    let StepState::Succeeded { outputs, metrics, .. } = run.step(ix) else {
        return json!({ "outputs": {}, "metrics": {} });
    };
    let outputs: Map<String, Value> = outputs
        .iter()
        .map(|(name, output)| (name.clone(), output_value(output)))
        .collect();
    json!({ "outputs": outputs, "metrics": metrics })
}

/// A value as it is; of an artifact its summary, with `hash` and, for tables, `rows`.
fn output_value(output: &OutputValue) -> Value {
    match output {
        OutputValue::Value(value) => value.clone(),
        OutputValue::Artifact(artifact) => {
            let mut value = artifact.summary.as_object().cloned().unwrap_or_else(Map::new);
            value.insert("hash".to_owned(), json!(artifact.hash));
            if let Some(rows) = artifact.rows {
                value.insert("rows".to_owned(), json!(rows));
            }
            Value::Object(value)
        }
    }
}

/// Whether a condition holds; the failure is what rejects the step.
pub(crate) fn holds(text: &str, context: &RunContext<'_>) -> Result<bool, Failure> {
    let failure = |causes| Failure {
        causes,
        ..Failure::new(
            FailureClass::Rejected,
            format!("could not evaluate its condition `{text}`"),
        )
    };
    let evaluate =
        |text: &str| -> Result<Value, ExpressionError> { expression::parse(text)?.evaluate(context) };
    match evaluate(text) {
        Ok(Value::Bool(holds)) => Ok(holds),
        Ok(other) => Err(failure(vec![format!("it is {other}, neither true nor false")])),
        Err(error) => Err(failure(chain(&error))),
    }
}

/// An instance with every expression evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    pub with: Value,
    pub process: Option<ProcessSpec>,
}

impl Run {
    /// The instance's parameters with every expression evaluated. Of use once it is ready.
    ///
    /// # Errors
    /// The first expression without a value; [`super::Input::Reject`] is the answer to it.
    pub fn render_with(&self, ix: InstanceIx) -> Result<Value, RenderError> {
        let with = self.instance(ix).map_or(&Value::Null, |instance| &instance.with);
        expression::render(with, &RunContext::new(self, ix))
    }

    /// The same, with command and environment of a process step.
    ///
    /// # Errors
    /// As [`Run::render_with`].
    pub fn render_instance(&self, ix: InstanceIx) -> Result<Rendered, RenderError> {
        let with = self.render_with(ix)?;
        let process = self.instance(ix).and_then(|instance| instance.process.as_ref());
        let process = process
            .map(|process| self.render_process(ix, process))
            .transpose()?;
        Ok(Rendered { with, process })
    }

    fn render_process(&self, ix: InstanceIx, process: &BoundProcess) -> Result<ProcessSpec, RenderError> {
        let context = RunContext::new(self, ix);
        let text = |template: &String| -> Result<String, RenderError> {
            match expression::render(&Value::String(template.clone()), &context)? {
                Value::String(text) => Ok(text),
                // A template that is one expression keeps its type; a process knows only texts.
                other => Ok(other.to_string()),
            }
        };
        Ok(ProcessSpec {
            argv: process.argv.iter().map(text).collect::<Result<_, _>>()?,
            env: process
                .env
                .iter()
                .map(|(name, value)| Ok((name.clone(), text(value)?)))
                .collect::<Result<_, _>>()?,
            secrets: process.secrets.clone(),
            image: process.image.clone(),
        })
    }
}
