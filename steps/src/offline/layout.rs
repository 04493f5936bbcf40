//! Which columns a view's rows have, and how rows of elsewhere become such.

use super::internal;
use crate::data_type;
use indexmap::IndexMap;
use polars::prelude::{Column as Values, DataFrame, DataType as PolarsType, TimeUnit as PolarsUnit};
use trainyard_contract::data_contract::ColumnContract;
use trainyard_contract::feature::FeatureView;
use trainyard_contract::{Column, DataContract, Schema, StepError};
use trainyard_features::offline::Snapshot;

/// The columns of a view's rows.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    view: String,
    version: u32,
    pub(crate) keys: Vec<String>,
    pub(crate) event_time: String,
    pub(crate) created_time: Option<String>,
    /// Keys, times and features, in that order.
    pub(crate) columns: Vec<Column>,
    /// What the source calls them, in the same order.
    sources: Vec<String>,
}

impl Layout {
    pub(crate) fn of(view: &FeatureView) -> Self {
        let columns = view.schema().columns;
        let sources = columns
            .iter()
            .map(|column| view.column_of(&column.name).to_owned())
            .collect();
        Self {
            view: view.name.clone(),
            version: view.version,
            keys: view.keys.iter().map(|key| key.name.clone()).collect(),
            event_time: view.event_time.clone(),
            created_time: view.created_time.clone(),
            columns,
            sources,
        }
    }

    pub(crate) fn schema(&self) -> Schema {
        let apart = [Some(&self.event_time), self.created_time.as_ref()];
        let is_feature = |name: &String| !self.keys.contains(name) && !apart.contains(&Some(name));
        let names = self.columns.iter().map(|column| column.name.clone());
        Schema {
            columns: self.columns.clone(),
            event_time: Some(self.event_time.clone()),
            primary_key: self.keys.clone(),
            features: names.filter(is_feature).collect(),
            ..Schema::default()
        }
    }

    /// The state of the view version before its first snapshot.
    pub(crate) fn nothing(&self) -> Snapshot {
        Snapshot::empty(
            &self.view,
            self.version,
            self.keys.clone(),
            &self.event_time,
            self.created_time.as_deref(),
            self.schema(),
        )
    }

    /// Names by which rows are ordered: keys, event time, created time.
    pub(crate) fn order(&self) -> Vec<String> {
        let times = std::iter::once(&self.event_time).chain(&self.created_time);
        self.keys.iter().chain(times).cloned().collect()
    }

    /// What rows of the source have to keep; rules of the source's own contract go on to hold.
    pub(crate) fn contract_of_source(&self, own: Option<&DataContract>) -> DataContract {
        self.contract(&self.sources, own)
    }

    /// The same for rows that have the view's own names.
    pub(crate) fn contract_of_rows(&self) -> DataContract {
        let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        self.contract(&names, None)
    }

    fn contract(&self, names: &[String], own: Option<&DataContract>) -> DataContract {
        let columns = self.columns.iter().zip(names);
        let columns: IndexMap<String, ColumnContract> = columns
            .map(|(column, name)| {
                let rules = own.and_then(|own| own.columns.get(name)).cloned();
                let plain = ColumnContract {
                    data_type: column.data_type.clone(),
                    nullable: column.nullable,
                    known_at: None,
                    unit: None,
                    classification: None,
                    description: None,
                    min: None,
                    max: None,
                    accepted_values: Vec::new(),
                    pattern: None,
                    unique: false,
                };
                let contract = match rules {
                    None => plain,
                    Some(rules) => ColumnContract {
                        data_type: plain.data_type,
                        nullable: plain.nullable && rules.nullable,
                        ..rules
                    },
                };
                (name.clone(), contract)
            })
            .collect();
        DataContract {
            version: 1,
            name: self.view.clone(),
            description: None,
            owner: None,
            event_time: None,
            primary_key: Vec::new(),
            moments: own.map(|own| own.moments.clone()).unwrap_or_default(),
            freshness: None,
            columns,
            additional_columns: true,
        }
    }

    /// Rows of the source as rows of the view.
    ///
    /// # Errors
    /// `Rejected` for a column that is not there or cannot become what it has to be.
    pub(crate) fn rows_of_source(&self, frame: &DataFrame) -> Result<DataFrame, StepError> {
        self.rows(frame, &self.sources)
    }

    /// Rows with the view's own names as rows of the view. Features that are not there are missing.
    ///
    /// # Errors
    /// As [`Layout::rows_of_source`].
    pub(crate) fn rows_of_view(&self, frame: &DataFrame) -> Result<DataFrame, StepError> {
        let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        self.rows(frame, &names)
    }

    /// The columns that a frame of stored rows has, in the view's order, and the others as missing.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) fn rows_with_nulls(&self, frame: &DataFrame) -> Result<DataFrame, StepError> {
        let columns = self.columns.iter().map(|column| {
            let wanted = data_type::to_polars(&column.data_type);
            match frame.column(&column.name) {
                Ok(values) if *values.dtype() == wanted => values.clone(),
                Ok(values) => values.cast(&wanted).unwrap_or_else(|_| values.clone()),
                Err(_) => Values::full_null(column.name.as_str().into(), frame.height(), &wanted),
            }
        });
        DataFrame::new(frame.height(), columns.collect()).map_err(internal)
    }

    fn rows(&self, frame: &DataFrame, names: &[String]) -> Result<DataFrame, StepError> {
        let mut columns: Vec<Values> = Vec::with_capacity(self.columns.len());
        for (column, name) in self.columns.iter().zip(names) {
            let wanted = data_type::to_polars(&column.data_type);
            let Ok(found) = frame.column(name) else {
                if !column.nullable {
                    let message = format!("feature view `{}` wants a column `{name}`", self.view);
                    return Err(StepError::rejected(message));
                }
                columns.push(Values::full_null(
                    column.name.as_str().into(),
                    frame.height(),
                    &wanted,
                ));
                continue;
            };
            let values = cast(found, &wanted).map_err(|error| {
                StepError::rejected(format!(
                    "feature view `{}`: `{name}` is {} and cannot be {}: {}",
                    self.view,
                    data_type::from_polars(found.dtype()),
                    column.data_type,
                    crate::fault::sentence(&error)
                ))
            })?;
            if !column.nullable && values.null_count() > 0 {
                let message = format!(
                    "feature view `{}`: `{name}` is missing in {} rows",
                    self.view,
                    values.null_count()
                );
                return Err(
                    StepError::rejected(message).help("rows without it cannot be looked up: leave them out")
                );
            }
            columns.push(values.with_name(column.name.as_str().into()));
        }
        DataFrame::new(frame.height(), columns).map_err(internal)
    }
}

/// Every value as the type wanted; one that cannot be is an error.
fn cast(values: &Values, wanted: &PolarsType) -> polars::prelude::PolarsResult<Values> {
    match (values.dtype(), wanted) {
        (have, want) if have == want => Ok(values.clone()),
        (PolarsType::Datetime(_, None), PolarsType::Datetime(PolarsUnit::Microseconds, Some(_))) => {
            // A reading without a zone is taken as one of UTC, which is what its number says.
            values
                .cast(&PolarsType::Datetime(PolarsUnit::Microseconds, None))?
                .to_physical_repr()
                .cast(wanted)
        }
        _ => values.strict_cast(wanted),
    }
}
