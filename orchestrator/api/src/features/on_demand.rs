//! Features that are computed when they are asked for, by the very expressions that training sets are made with.

use super::columns::Columns;
use super::gather::{Cell, Status};
use super::plan::Wanted;
use crate::problem::{Fault, Problem};
use indexmap::IndexMap;
use std::borrow::Cow;
use trainyard_contract::DataType;
use trainyard_contract::feature::{Asked, FeatureDefinitions, Key, OnDemandView};
use trainyard_features::expression::{self, Expression};
use trainyard_features::online::{Kind, Value, read_json, write_json};

/// An on-demand view, its expressions compiled.
#[derive(Debug)]
pub(crate) struct DerivedPlan {
    pub(crate) view: String,
    /// What the question brings.
    pub(crate) request: Vec<Key>,
    /// Stored features: their view's place among those that are looked up, and theirs within it.
    pub(crate) inputs: Vec<(usize, usize)>,
    features: Vec<Computed>,
    first_cell: usize,
}

#[derive(Debug)]
struct Computed {
    name: String,
    data_type: DataType,
    expression: Expression,
}

impl DerivedPlan {
    pub(crate) fn new(
        definitions: &FeatureDefinitions,
        wanted: &Wanted<'_>,
        view: &OnDemandView,
        cells: &mut usize,
    ) -> Result<Self, Problem> {
        let inputs = definitions.expand(&view.inputs)?;
        let mut times: IndexMap<&str, usize> = IndexMap::new();
        for input in &inputs {
            *times.entry(input.name()).or_default() += 1;
        }
        let mut known: Vec<(String, DataType)> = view
            .request
            .iter()
            .map(|field| (field.name.clone(), field.data_type.clone()))
            .collect();
        let mut places = Vec::with_capacity(inputs.len());
        for input in &inputs {
            let Asked::Stored { view, name, feature } = input else {
                continue;
            };
            let place = wanted
                .get_full(view.name.as_str())
                .and_then(|(place, _, (_, names))| Some((place, names.get_index_of(name)?)));
            let Some(place) = place else { continue };
            places.push(place);
            let shown = match times.get(name) {
                Some(1) => (*name).to_owned(),
                _ => input.full_name(),
            };
            known.push((shown, feature.data_type.clone()));
        }
        let mut features = Vec::with_capacity(view.features.len());
        for (name, feature) in &view.features {
            let columns: Vec<expression::Known<'_>> = known
                .iter()
                .map(|(name, data_type)| (name.as_str(), data_type))
                .collect();
            let expression = Expression::compile_as(&feature.expr, &columns, &feature.data_type);
            let expression = expression.map_err(|faults| {
                let said: Vec<String> = faults.iter().map(|fault| fault.message.clone()).collect();
                Problem::refused(
                    "on-demand-feature-broken",
                    format!("`{}:{name}` cannot be computed: {}", view.name, said.join("; ")),
                )
                .help("`trainyard check` shows the place")
            })?;
            known.push((name.clone(), feature.data_type.clone()));
            features.push(Computed {
                name: name.clone(),
                data_type: feature.data_type.clone(),
                expression,
            });
        }
        let first_cell = *cells;
        *cells += features.len();
        Ok(Self {
            view: view.name.clone(),
            request: view.request.clone(),
            inputs: places,
            features,
            first_cell,
        })
    }

    pub(crate) fn cell_of(&self, name: &str) -> Option<usize> {
        let within = self.features.iter().position(|feature| feature.name == name)?;
        Some(self.first_cell + within)
    }

    /// Computes the features of a row. `input` gives a stored value and what is known about it; `take` gets each cell.
    pub(crate) fn compute<'a>(
        &'a self,
        columns: &'a Columns,
        row: usize,
        input: impl Fn((usize, usize)) -> (expression::Value<'a>, Status),
        json: &mut Vec<u8>,
        feast: bool,
        mut take: impl FnMut(usize, Cell),
    ) -> Result<(), Problem> {
        let mut values: Vec<expression::Value<'a>> =
            Vec::with_capacity(self.request.len() + self.inputs.len() + self.features.len());
        for field in &self.request {
            let given = columns.cell(&field.name, row);
            let value = read_json(&field.data_type, given).map_err(|wrong| {
                let at = format!("entities.{}[{row}]", field.name);
                Problem::refused("request-type-wrong", format!("{at}: {wrong}")).errors(vec![Fault {
                    at,
                    message: wrong.to_string(),
                    help: None,
                }])
            })?;
            values.push(to_expression(value));
        }
        let mut missing = None;
        for place in &self.inputs {
            let (value, status) = input(*place);
            if !matches!(status, Status::Present | Status::Null) {
                missing = Some(status);
            }
            values.push(value);
        }
        for (within, feature) in self.features.iter().enumerate() {
            let value = feature.expression.evaluate_row(&values).map_err(|error| {
                Problem::refused(
                    "on-demand-feature-failed",
                    format!("`{}:{}` of row {row}: {error}", self.view, feature.name),
                )
            })?;
            let start = json.len();
            let status = match of_expression(&feature.data_type, &value) {
                Some(value) => {
                    write_json(json, &feature.data_type, Some(&value), feast);
                    Status::Present
                }
                None => missing.unwrap_or(Status::Null),
            };
            take(self.first_cell + within, Cell::new(start, json.len(), status));
            values.push(value);
        }
        Ok(())
    }
}

/// A stored value as expressions have it; bytes and lists are missing there.
pub(crate) fn to_expression(value: Option<Value<'_>>) -> expression::Value<'_> {
    match value {
        None => expression::Value::Null,
        Some(Value::Boolean(value)) => expression::Value::Boolean(value),
        Some(Value::Signed(value)) => expression::Value::Int(value),
        Some(Value::Unsigned(value)) => expression::Value::Int(value.cast_signed()),
        Some(Value::Float(value)) => expression::Value::Float(value),
        Some(Value::Bytes(Cow::Borrowed(bytes))) => match std::str::from_utf8(bytes) {
            Ok(text) => expression::Value::text(text),
            Err(_) => expression::Value::Null,
        },
        Some(Value::Bytes(Cow::Owned(bytes))) => match String::from_utf8(bytes) {
            Ok(text) => expression::Value::text(text),
            Err(_) => expression::Value::Null,
        },
    }
}

fn of_expression<'a>(data_type: &DataType, value: &'a expression::Value<'_>) -> Option<Value<'a>> {
    Some(match value {
        expression::Value::Null => return None,
        expression::Value::Boolean(value) => Value::Boolean(*value),
        expression::Value::Int(value) if Kind::of(data_type) == Kind::Unsigned => {
            Value::Unsigned(value.cast_unsigned())
        }
        expression::Value::Int(value) => Value::Signed(*value),
        expression::Value::Float(value) => Value::Float(*value),
        expression::Value::Text(text) => Value::Bytes(Cow::Borrowed(text.as_bytes())),
    })
}
