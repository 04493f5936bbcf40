//! Values of params: command line before trigger before environment before default.

use super::{BindError, BindRequest, Binding};
use crate::expression::Template;
use crate::pipeline::checks::{declaration, parse_text, type_of, value_fault};
use crate::pipeline::spec::Param;
use crate::run::definition::{BoundParam, ParamOrigin};
use indexmap::IndexMap;
use serde_json::Value;
use trainyard_contract::Path;
use trainyard_contract::finding::nearest;

impl Binding<'_> {
    pub(super) fn params(&mut self, request: &BindRequest<'_>) -> IndexMap<String, BoundParam> {
        let declared = &self.pipeline.spec.params;
        let at = Path::root().key("params");
        let triggered = request.trigger.get("params").and_then(Value::as_object);
        let given = request
            .params
            .keys()
            .chain(triggered.into_iter().flat_map(|params| params.keys()));
        for name in given.filter(|name| !declared.contains_key(*name)) {
            let error = BindError::new(at.clone(), format!("there is no param `{name}`"));
            self.errors
                .push(match nearest(name, declared.keys().map(String::as_str)) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None if declared.is_empty() => error.help("the pipeline has no params"),
                    None => {
                        let names: Vec<&str> = declared.keys().map(String::as_str).collect();
                        error.help(format!("params are {}", names.join(", ")))
                    }
                });
        }
        let environment = self.pipeline.environment(self.values.environment.as_deref());
        let mut bound = IndexMap::new();
        for (name, param) in declared {
            let at = at.key(name);
            let chosen = if let Some(text) = request.params.get(name) {
                Some((parse_text(param, text), ParamOrigin::CommandLine))
            } else if let Some(value) = triggered.and_then(|params| params.get(name)) {
                Some((checked(param, value), ParamOrigin::Trigger))
            } else if let Some(value) = environment.and_then(|environment| environment.params.get(name)) {
                Some((checked(param, value), ParamOrigin::Environment))
            } else {
                self.default(&at, param)
            };
            match chosen {
                Some((Ok(value), from)) => {
                    bound.insert(name.clone(), BoundParam { value, from });
                }
                Some((Err(fault), _)) => {
                    self.errors.push(BindError::new(
                        at,
                        format!("the param `{name}` is {}: {fault}", declaration(param)),
                    ));
                }
                None if param.default.is_none() => {
                    let error = BindError::new(at, format!("the param `{name}` has no value"));
                    self.errors.push(error.help(format!("give it one: -p {name}=…")));
                }
                // The default could not be evaluated, which is reported.
                None => {}
            }
        }
        bound
    }

    fn default(&mut self, at: &Path, param: &Param) -> Option<(Result<Value, String>, ParamOrigin)> {
        let default = param.default.as_ref()?;
        let value = match default.as_str() {
            Some(text) if Template::is_in(text) => self.render(&at.key("default"), default, &[])?,
            _ => default.clone(),
        };
        Some((checked(param, &value), ParamOrigin::Default))
    }
}

fn checked(param: &Param, value: &Value) -> Result<Value, String> {
    let of = type_of(param)?;
    match value_fault(param, &of, value) {
        Some(fault) => Err(fault),
        None => Ok(value.clone()),
    }
}
