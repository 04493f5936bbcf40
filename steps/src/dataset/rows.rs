//! Rows of texts that come from elsewhere than a file, such as a query.

use super::block::{Fault, Intake, Reader};
use super::{bare_schema, kind};
use polars::prelude::{Column, DataFrame};
use trainyard_contract::{DataContract, DataType, ReaderOptions, Schema, StepError};
use trainyard_records::{Conventions, TextReader};

/// Types rows of texts, by a contract or as their source says, and hands them on.
pub(crate) struct RowReader<'a> {
    reader: Reader<'a>,
    places: Option<Vec<usize>>,
    count: u64,
}

impl<'a> RowReader<'a> {
    /// `source` is what faults call it.
    pub(crate) fn new(contract: Option<&'a DataContract>, intake: &'a mut dyn Intake, source: &str) -> Self {
        let mut reader = Reader::new(contract, intake);
        reader.start(source);
        Self {
            reader,
            places: None,
            count: 0,
        }
    }

    /// Takes rows, each with as many texts as there are `columns`.
    ///
    /// # Errors
    /// If a column of the contract is missing, and what the intake gives.
    pub(crate) fn take(
        &mut self,
        columns: &[(String, DataType)],
        cells: Vec<Vec<Option<String>>>,
    ) -> Result<(), StepError> {
        let places = match &self.places {
            Some(places) => places.clone(),
            None => {
                let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
                let places = self.reader.choose(&names)?;
                self.places = Some(places.clone());
                places
            }
        };
        let options = ReaderOptions::default();
        let conventions =
            Conventions::new(&options).map_err(|error| StepError::internal(error.to_string()))?;
        let first = self.count + 1;
        self.count += cells.len() as u64;
        let rows: Vec<u64> = (first..=self.count).collect();
        let mut typed: Vec<Column> = Vec::with_capacity(places.len());
        let mut found: Vec<(usize, Fault)> = Vec::new();
        for place in places {
            let Some((name, own)) = columns.get(place) else {
                return Err(StepError::internal("the columns of a query changed on the way"));
            };
            let data_type = self
                .reader
                .contract
                .and_then(|contract| contract.columns.get(name))
                .map_or_else(|| own.clone(), |column| column.data_type.clone());
            let column = kind::of(name, &data_type, &options)?;
            let mut texts = TextReader::new(&column, &conventions, cells.len());
            for row in &cells {
                texts.push(row.get(place).and_then(Option::as_deref));
            }
            let (values, faults) = texts.finish();
            for fault in faults {
                let row = rows.get(fault.at).copied().unwrap_or_default();
                let reason = fault.why.reason(&data_type.to_string());
                found.push((fault.at, self.reader.fault(row, name, Some(fault.text), reason)));
            }
            let series = kind::series(name, values, &data_type)
                .map_err(|error| StepError::internal(error.to_string()))?;
            typed.push(series.into());
        }
        let frame =
            DataFrame::new(rows.len(), typed).map_err(|error| StepError::internal(error.to_string()))?;
        self.reader.checked(frame, rows, found, Vec::new())
    }

    /// The table's schema, its columns of no known origin, and notes for the log.
    pub(crate) fn end(self) -> (Schema, Vec<String>) {
        let contract = self.reader.contract;
        let (_, columns, notes) = self.reader.end();
        let schema = match contract {
            Some(contract) => contract.schema(None),
            None => bare_schema(&columns, None),
        };
        (schema, notes)
    }
}
