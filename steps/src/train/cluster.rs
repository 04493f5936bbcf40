//! `train.cluster@v1`: groups of rows that are alike, without a label.

use super::algorithm::Purpose;
use super::params::{Params, schema};
use super::{columns, data, fit, infer, outcome};
use crate::table::{self, grouped};
use polars::prelude::{Column as Values, NamedFrom, Series};
use serde_json::{Map, json};
use trainyard_contract::schema::{Column, DataType, Schema};
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::{ArtifactKind, InferRequest, Inference, Step, StepError, StepIo};
use trainyard_models::Predictor;

/// Finds clusters.
pub(crate) struct TrainCluster;

impl Step for TrainCluster {
    fn uses(&self) -> &'static str {
        "train.cluster@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Finds groups of rows that are alike, and a model that puts new rows into them.",
            inputs: Ports::Named(vec![InputPort::required(
                "train",
                ArtifactKind::Table,
                "rows to learn from",
            )]),
            outputs: Ports::Named(vec![
                InputPort::required("model", ArtifactKind::Model, "the trained model"),
                InputPort::optional(
                    "clusters",
                    ArtifactKind::Table,
                    "the rows of `train` with the number of their cluster, from 0; null is none",
                ),
                InputPort::optional(
                    "metrics",
                    ArtifactKind::Metrics,
                    "clusters, their sizes, and what the algorithm says of its fit",
                ),
            ]),
            params: schema(Purpose::Clusters),
            revision: 1,
            effect: Effect::None,
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        infer::infer(request, Purpose::Clusters)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let algorithm = params
            .chosen(Purpose::Clusters)
            .map_err(|fault| StepError::rejected(fault.why))?;
        let opened = table::open(io, "train")?;
        let (roles, findings) = columns::roles(&opened.schema, "train", params.told(Purpose::Clusters));
        data::heed(io, findings)?;
        super::note_passed_over(io, &roles);
        // All columns: the rows come out again.
        let frame = table::collect("read the rows", opened.frame.clone())?;
        io.rows_in(frame.height() as u64);
        let examples = data::unlabelled(&frame, &roles, &params.categorical)?
            .weighted(&frame, params.sample_weight.as_deref())?;
        examples.can_teach(&roles)?;
        let label = Some(params.cluster_column.clone());
        let (model, _) = fit(io, &params, algorithm, label, &examples, None)?;
        let model = model.with_data_types(&data::data_types(&opened, &roles));

        let found = model
            .predict(&examples.frame)
            .map_err(|error| super::rows::refused(&error))?;
        let found = found.clusters().map_err(|error| super::rows::refused(&error))?;
        let mut sizes: Vec<u64> = Vec::new();
        for cluster in found.iter().flatten() {
            let place = *cluster as usize;
            sizes.resize(sizes.len().max(place + 1), 0);
            sizes[place] += 1;
        }
        let without = found.iter().filter(|cluster| cluster.is_none()).count();
        let mut numbers = Map::new();
        numbers.insert("clusters".to_owned(), json!(sizes.len()));
        numbers.insert("rows".to_owned(), json!(found.len()));
        numbers.insert("rows_without_cluster".to_owned(), json!(without));
        for (name, value) in &model.summary().measures {
            numbers.entry(name.clone()).or_insert_with(|| json!(value));
        }
        numbers.insert("sizes".to_owned(), json!(sizes));
        io.headline(format!(
            "{}: {} clusters of {} rows{}",
            outcome::described(&model),
            sizes.len(),
            grouped(found.len() as u64),
            match without {
                0 => String::new(),
                without => format!(", {} in none", grouped(without as u64)),
            }
        ));
        if io.wants("clusters") {
            let name = params.cluster_column.as_str();
            if frame.column(name).is_ok() {
                let message = format!("`train` has a column `{name}` already");
                let help = "give the clusters another name with `cluster_column:`";
                return Err(StepError::rejected(message).help(help));
            }
            let numbers: Vec<Option<i64>> = found.iter().map(|cluster| cluster.map(i64::from)).collect();
            let mut rows = frame.clone();
            rows.with_column(Values::from(Series::new(name.into(), numbers)))
                .map_err(|error| StepError::internal(crate::fault::sentence(&error)))?;
            let schema = with_clusters(&opened.schema, name);
            table::write(io, "clusters", &mut rows, schema)?;
        }
        io.output_metrics("metrics", &numbers.into())?;
        outcome::keep_model(io, "model", &model)
    }
}

/// The table with a column for clusters.
pub(super) fn with_clusters(schema: &Schema, name: &str) -> Schema {
    let mut schema = schema.clone();
    schema.columns.push(Column::new(name, DataType::Int64, true));
    schema
}
