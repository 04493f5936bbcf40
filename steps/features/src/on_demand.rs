//! On-demand views, compiled: the same program computes their features for training sets and for requests.

use crate::expression::{Expression, Known};
use indexmap::IndexMap;
use trainyard_contract::DataType;
use trainyard_contract::feature::{Asked, FeatureDefinitions, Key, OnDemandView, UnknownFeature};

/// Why an on-demand view cannot be compiled. `check` says at which word of its file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnDemandFault {
    #[error(transparent)]
    Unknown(#[from] UnknownFeature),
    /// An input that is computed itself.
    #[error("`{view}:{feature}` is computed on demand, so it is no input")]
    Derived { view: String, feature: String },
    #[error("`{view}:{feature}` cannot be computed: {faults}")]
    Expression {
        view: String,
        feature: String,
        faults: String,
    },
}

/// A feature of a view that expressions use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredInput {
    pub view: String,
    pub feature: String,
    pub data_type: DataType,
}

/// A feature that is computed.
#[derive(Clone, Debug)]
pub struct Computed {
    pub name: String,
    pub data_type: DataType,
    pub unit: Option<String>,
    /// Over the request's fields, the inputs, and the features before it, in this order.
    pub expression: Expression,
}

/// An on-demand view whose expressions are compiled.
#[derive(Clone, Debug)]
pub struct OnDemandProgram {
    pub view: String,
    /// What the request, or the entity row, brings.
    pub request: Vec<Key>,
    pub inputs: Vec<StoredInput>,
    pub features: Vec<Computed>,
}

impl OnDemandProgram {
    /// Compiles a view's expressions. An input goes by the feature's name, or by `view__feature` if several have
    /// that.
    ///
    /// # Errors
    /// Inputs that are not there or not stored, and the first expression that is none over these columns.
    pub fn compile(definitions: &FeatureDefinitions, view: &OnDemandView) -> Result<Self, OnDemandFault> {
        let asked = definitions.expand(&view.inputs)?;
        let mut times: IndexMap<&str, usize> = IndexMap::new();
        for input in &asked {
            *times.entry(input.name()).or_default() += 1;
        }
        let request = view.request.iter();
        let mut known: Vec<(String, DataType)> = request
            .map(|field| (field.name.clone(), field.data_type.clone()))
            .collect();
        let mut inputs = Vec::with_capacity(asked.len());
        for input in &asked {
            let Asked::Stored { view, name, feature } = input else {
                return Err(OnDemandFault::Derived {
                    view: input.view_name().to_owned(),
                    feature: input.name().to_owned(),
                });
            };
            let shown = match times.get(name) {
                Some(1) => (*name).to_owned(),
                _ => input.full_name(),
            };
            known.push((shown, feature.data_type.clone()));
            inputs.push(StoredInput {
                view: view.name.clone(),
                feature: (*name).to_owned(),
                data_type: feature.data_type.clone(),
            });
        }
        let mut features = Vec::with_capacity(view.features.len());
        for (name, feature) in &view.features {
            let columns: Vec<Known<'_>> = known
                .iter()
                .map(|(name, data_type)| (name.as_str(), data_type))
                .collect();
            let expression = Expression::compile_as(&feature.expr, &columns, &feature.data_type);
            let expression = expression.map_err(|faults| {
                let said: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
                OnDemandFault::Expression {
                    view: view.name.clone(),
                    feature: name.clone(),
                    faults: said.join("; "),
                }
            })?;
            known.push((name.clone(), feature.data_type.clone()));
            features.push(Computed {
                name: name.clone(),
                data_type: feature.data_type.clone(),
                unit: feature.unit.clone(),
                expression,
            });
        }
        Ok(Self {
            view: view.name.clone(),
            request: view.request.clone(),
            inputs,
            features,
        })
    }
}
