//! Historical features outside a pipeline: a file of entity rows in, a file with their features out.

use super::found::FoundInView;
use super::plan::Plan;
use super::{ENTITIES, Params, planned, with_features};
use crate::dataset::{self, Access};
use crate::historical::ViewRows;
use crate::offline::ViewReader;
use polars::prelude::{
    CsvWriter, DataFrame, IntoLazy, LazyFrame, ParquetCompression, ParquetWriter, PolarsError, SerWriter,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use trainyard_contract::feature::{FeatureDefinitions, FeatureRef, FeatureView, StoredView};
use trainyard_contract::task::DatasetRef;
use trainyard_contract::{Objects, Schema, StepError};

/// Where a view's rows are.
#[derive(Clone, Debug)]
pub enum RowsOfView {
    /// In files of its source, under the source's names: file, glob or URL, and format.
    Source {
        location: String,
        format: Option<String>,
    },
    /// In the offline store.
    Stored(Box<StoredView>),
}

/// What is asked.
#[derive(Debug)]
pub struct HistoricalRequest<'a> {
    /// The parameters of `features.training_set@v1`.
    pub with: &'a serde_json::Value,
    pub definitions: &'a FeatureDefinitions,
    /// By name; all that [`views_of`] names.
    pub views: &'a BTreeMap<String, RowsOfView>,
    /// File with the entity rows: CSV, NDJSON, Parquet or Arrow.
    pub entities: &'a Path,
    /// File to write: Parquet or CSV, by its extension.
    pub output: &'a Path,
    /// Relative locations of sources start here.
    pub project: &'a Path,
    /// Where the files of snapshots are.
    pub objects: &'a Objects,
    /// A folder for files that are made or copied while they are read.
    pub scratch: &'a Path,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoricalAnswer {
    pub rows: u64,
    /// Columns that were added.
    pub features: Vec<String>,
    /// A line a view: how many rows found something, and how old it was.
    pub lines: Vec<String>,
    /// The same as documents.
    pub views: Vec<serde_json::Value>,
}

/// Names of the views that a question needs, those of on-demand features and of its service among them. What cannot be
/// resolved is told when it is asked.
pub fn views_of(with: &serde_json::Value, definitions: &FeatureDefinitions) -> Vec<String> {
    let Ok(params) = serde_json::from_value::<Params>(with.clone()) else {
        return Vec::new();
    };
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        if definitions.views.contains_key(name) && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    for reference in references(&params, definitions) {
        match definitions.on_demand.get(&reference.view) {
            Some(derived) => derived.inputs.iter().for_each(|input| add(&input.view)),
            None => add(&reference.view),
        }
    }
    names
}

/// All references of a question that can be read.
fn references(params: &Params, definitions: &FeatureDefinitions) -> Vec<FeatureRef> {
    let service = params
        .service
        .as_ref()
        .and_then(|name| definitions.service(name).ok());
    let of_service = service
        .into_iter()
        .flat_map(|service| service.features.iter().cloned());
    let named = params.features.iter().filter_map(|text| text.parse().ok());
    of_service.chain(named).collect()
}

/// Looks features up for the rows of a file.
///
/// # Errors
/// `Rejected` if the question, a file or the rows are wrong, and what reading and writing give.
pub fn get_historical(request: &HistoricalRequest<'_>) -> Result<HistoricalAnswer, StepError> {
    let params: Params = serde_json::from_value(request.with.clone())
        .map_err(|error| StepError::rejected(error.to_string()))?;
    let (entities, schema) = read(ENTITIES, &request.entities.to_string_lossy(), None, request)?;
    let tables = request.views.iter();
    let tables: Vec<String> = tables
        .filter(|(_, rows)| matches!(rows, RowsOfView::Source { .. }))
        .map(|(name, _)| name.clone())
        .collect();
    let plan = planned(&params, request.definitions, &schema, &tables)?;
    let mut views = Vec::with_capacity(plan.views.len());
    for view in &plan.views {
        views.push(rows_of(&view.ask.view, request)?);
    }
    let mut found: Vec<FoundInView> = plan.views.iter().map(FoundInView::new).collect();
    let rows = entities.height() as u64;
    let mut frame = with_features(&plan, entities, &views, &mut found)?;
    write(&mut frame, request.output)?;
    Ok(HistoricalAnswer {
        rows,
        features: names(&plan),
        lines: found.iter().map(FoundInView::sentence).collect(),
        views: found.iter().map(FoundInView::document).collect(),
    })
}

fn names(plan: &Plan) -> Vec<String> {
    plan.outputs.iter().map(|out| out.name.clone()).collect()
}

/// The rows of a view, wherever they are.
fn rows_of(view: &FeatureView, request: &HistoricalRequest<'_>) -> Result<ViewRows, StepError> {
    match request.views.get(&view.name) {
        Some(RowsOfView::Source { location, format }) => {
            let parquet = match format {
                Some(format) => format == "parquet",
                None => location.ends_with(".parquet"),
            };
            let path = request.project.join(location);
            if parquet && path.is_file() {
                return of_parquet(view, &path);
            }
            let (frame, _) = read(&view.name, location, format.clone(), request)?;
            let rows = frame.height();
            ViewRows::of_table(view, &frame.lazy(), rows)
        }
        Some(RowsOfView::Stored(stored)) => {
            let scratch = request.scratch.join(format!("view-{}", view.name));
            let (_, rows) = ViewReader::open(request.objects, stored)?.pieces(&scratch)?;
            Ok(rows)
        }
        None => Err(StepError::rejected(format!(
            "the rows of the feature view `{}` are nowhere",
            view.name
        ))),
    }
}

/// A Parquet file is read piece by piece, and of it only the columns that are needed.
fn of_parquet(view: &FeatureView, path: &Path) -> Result<ViewRows, StepError> {
    let reading = |error: PolarsError| StepError::io(format!("could not read {}", path.display()), &error);
    let frame: LazyFrame = crate::table::scan(path).map_err(reading)?;
    let counted = frame
        .clone()
        .select([polars::prelude::len()])
        .collect()
        .map_err(reading)?;
    let rows = counted
        .columns()
        .first()
        .and_then(|column| column.get(0).ok()?.try_extract::<usize>().ok());
    let rows = rows.ok_or_else(|| StepError::internal("could not count the rows"))?;
    ViewRows::of_table(view, &frame, rows)
}

fn read(
    name: &str,
    location: &str,
    format: Option<String>,
    request: &HistoricalRequest<'_>,
) -> Result<(DataFrame, Schema), StepError> {
    let file = DatasetRef {
        name: name.to_owned(),
        location: location.to_owned(),
        folder: None,
        format,
        options: serde_json::Value::Null,
        contract: None,
        content: None,
    };
    let access = Access {
        project: request.project,
        scratch: request.scratch,
        secrets: None,
    };
    let reading = dataset::read(&file, None, access)?;
    reading.refuse_faults()?;
    Ok((reading.frame, reading.schema))
}

/// Writes beside the file and puts it in place when it is whole.
fn write(frame: &mut DataFrame, output: &Path) -> Result<(), StepError> {
    let failed = |error: PolarsError| StepError::io(format!("could not write {}", output.display()), &error);
    let extension = output.extension().and_then(|extension| extension.to_str());
    let beside = PathBuf::from(format!("{}.part", output.display()));
    let file = File::create(&beside).map_err(|error| failed(error.into()))?;
    let written = match extension {
        Some("parquet") => ParquetWriter::new(&file)
            .with_compression(ParquetCompression::Snappy)
            .with_row_group_size(Some(crate::table::ROW_GROUP))
            .finish(frame)
            .map(|_| ()),
        Some("csv") => CsvWriter::new(&file).finish(frame),
        _ => {
            let _ = std::fs::remove_file(&beside);
            let message = format!("{} is neither a .parquet nor a .csv file", output.display());
            return Err(StepError::rejected(message).help("give the file one of these extensions"));
        }
    };
    written
        .and_then(|()| file.sync_all().map_err(PolarsError::from))
        .and_then(|()| std::fs::rename(&beside, output).map_err(PolarsError::from))
        .map_err(|error| {
            let _ = std::fs::remove_file(&beside);
            failed(error)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(output: &str) -> (tempfile::TempDir, Result<HistoricalAnswer, StepError>) {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put(
            "asked.csv",
            "origin,at\nEWR,2026-01-01T12:00:00Z\nJFK,2026-01-01T12:00:00Z\n",
        );
        put(
            "weather.csv",
            "airport,seen,temp\nEWR,2026-01-01T11:00:00Z,1.5\nEWR,2026-01-01T13:00:00Z,2.5\n",
        );
        let definitions: FeatureDefinitions = serde_json::from_value(json!({"views": {"weather": {
            "name": "weather", "version": 1, "entities": [], "keys": [{"name": "origin", "type": "string"}],
            "features": {"temp": {"type": "float64"}}, "event_time": "seen",
            "source": {"file": {"path": "weather.csv"}}, "columns": {"origin": "airport"},
        }}}))
        .unwrap();
        let with = json!({"features": ["weather:temp"], "event_time": "at"});
        assert_eq!(views_of(&with, &definitions), ["weather"]);
        let source = RowsOfView::Source {
            location: "weather.csv".to_owned(),
            format: None,
        };
        let answer = get_historical(&HistoricalRequest {
            with: &with,
            definitions: &definitions,
            views: &BTreeMap::from([("weather".to_owned(), source)]),
            entities: Path::new("asked.csv"),
            output: &folder.path().join(output),
            project: folder.path(),
            objects: &Objects::new(folder.path().join("objects")),
            scratch: folder.path(),
        });
        (folder, answer)
    }

    #[test]
    fn a_file_of_questions_becomes_a_file_of_answers() {
        let (folder, answer) = asked("out.csv");
        let answer = answer.unwrap();
        assert_eq!((answer.rows, answer.features), (2, vec!["temp".to_owned()]));
        let text = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
        let values: Vec<&str> = text
            .lines()
            .map(|line| line.rsplit(',').next().unwrap())
            .collect();
        assert_eq!(values, ["temp", "1.5", ""]);
        assert!(!folder.path().join("out.csv.part").exists());
    }

    #[test]
    fn a_file_of_another_kind_is_refused_and_nothing_is_left() {
        let (folder, answer) = asked("out.xlsx");
        assert!(answer.unwrap_err().failure.message.contains("neither"));
        assert!(!folder.path().join("out.xlsx.part").exists());
    }
}
