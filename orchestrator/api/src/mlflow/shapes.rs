//! The objects of answers. What is not set, and what is empty, is left out.

use axum::body::Bytes;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use trainyard_domain::tracking::MetricValue;
use trainyard_store::StoreError;
use trainyard_store::tracking::{
    DatasetInput, Experiment, LoggedModel, LoggedModelMetric, MetricPoint, ModelState, Pair, RegisteredModel,
    RunData, RunModel, TrackedRun, TrackingError, VersionRecord,
};

/// The body of an answer.
pub(super) fn body(value: &impl Serialize) -> Result<Bytes, TrackingError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|source| {
        TrackingError::Store(StoreError::Encoding {
            doing: "write an answer",
            source,
        })
    })
}

/// `{}`.
pub(super) fn nothing() -> Bytes {
    Bytes::from_static(b"{}")
}

/// Keys and values as `[{"key", "value"}]`.
struct Pairs<'a>(&'a [Pair]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(Some(self.0.len()))?;
        for (key, value) in self.0 {
            all.serialize_element(&PairShape { key, value })?;
        }
        all.end()
    }
}

impl Pairs<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Serialize)]
struct PairShape<'a> {
    key: &'a str,
    value: &'a str,
}

/// A number, or the text that stands for one JSON cannot write.
pub(super) struct Number(pub(super) MetricValue);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_nan() {
            serializer.serialize_str("NaN")
        } else {
            serializer.serialize_f64(self.0.get())
        }
    }
}

/// A point of a metric.
#[derive(Serialize)]
pub(super) struct MetricShape<'a> {
    key: &'a str,
    value: Number,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    dataset_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    dataset_digest: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<&'a str>,
}

impl<'a> MetricShape<'a> {
    pub(super) fn of(key: &'a str, point: MetricPoint, run_id: Option<&'a str>) -> Self {
        Self {
            key,
            value: Number(point.value),
            timestamp: point.at,
            step: point.step,
            run_id,
            dataset_name: "",
            dataset_digest: "",
            model_id: None,
        }
    }

    fn of_model(metric: &'a LoggedModelMetric, model: &'a str) -> Self {
        Self {
            dataset_name: &metric.dataset_name,
            dataset_digest: &metric.dataset_digest,
            model_id: Some(model),
            ..Self::of(&metric.key, metric.point, Some(&metric.run))
        }
    }
}

/// Latest points.
struct Metrics<'a>(&'a [(String, MetricPoint)]);

impl Serialize for Metrics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(Some(self.0.len()))?;
        for (key, point) in self.0 {
            all.serialize_element(&MetricShape::of(key, *point, None))?;
        }
        all.end()
    }
}

impl Metrics<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A run without what was logged to it.
#[derive(Serialize)]
pub(super) struct RunInfoShape<'a> {
    run_uuid: &'a str,
    run_id: &'a str,
    run_name: &'a str,
    experiment_id: String,
    user_id: &'a str,
    status: &'static str,
    start_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<i64>,
    artifact_uri: &'a str,
    lifecycle_stage: &'static str,
}

impl<'a> RunInfoShape<'a> {
    pub(super) fn of(run: &'a TrackedRun) -> Self {
        Self {
            run_uuid: &run.id,
            run_id: &run.id,
            run_name: &run.name,
            experiment_id: run.experiment.to_string(),
            user_id: &run.user,
            status: run.status.as_str(),
            start_time: run.started_at,
            end_time: run.ended_at,
            artifact_uri: &run.location,
            lifecycle_stage: lifecycle(run.is_deleted),
        }
    }
}

fn lifecycle(is_deleted: bool) -> &'static str {
    if is_deleted { "deleted" } else { "active" }
}

#[derive(Serialize)]
struct RunDataShape<'a> {
    #[serde(skip_serializing_if = "Metrics::is_empty")]
    metrics: Metrics<'a>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    params: Pairs<'a>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    tags: Pairs<'a>,
}

#[derive(Serialize)]
struct InputsShape<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dataset_inputs: Vec<DatasetInputShape<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_inputs: Vec<ModelLinkShape<'a>>,
}

#[derive(Serialize)]
struct OutputsShape<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_outputs: Vec<ModelOutputShape<'a>>,
}

#[derive(Serialize)]
struct ModelLinkShape<'a> {
    model_id: &'a str,
}

#[derive(Serialize)]
struct ModelOutputShape<'a> {
    model_id: &'a str,
    step: i64,
}

#[derive(Serialize)]
struct DatasetInputShape<'a> {
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    tags: Pairs<'a>,
    dataset: DatasetShape<'a>,
}

#[derive(Serialize)]
struct DatasetShape<'a> {
    name: &'a str,
    digest: &'a str,
    source_type: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
}

impl<'a> From<&'a DatasetInput> for DatasetInputShape<'a> {
    fn from(input: &'a DatasetInput) -> Self {
        Self {
            tags: Pairs(&input.tags),
            dataset: DatasetShape {
                name: &input.name,
                digest: &input.digest,
                source_type: &input.source_type,
                source: &input.source,
                schema: input.schema.as_deref(),
                profile: input.profile.as_deref(),
            },
        }
    }
}

/// A run with what was logged to it.
#[derive(Serialize)]
pub(super) struct RunShape<'a> {
    info: RunInfoShape<'a>,
    data: RunDataShape<'a>,
    inputs: InputsShape<'a>,
    outputs: OutputsShape<'a>,
}

impl<'a> RunShape<'a> {
    pub(super) fn of(run: &'a TrackedRun, data: &'a RunData) -> Self {
        Self {
            info: RunInfoShape::of(run),
            data: RunDataShape {
                metrics: Metrics(&data.metrics),
                params: Pairs(&data.params),
                tags: Pairs(&data.tags),
            },
            inputs: InputsShape {
                dataset_inputs: data.datasets.iter().map(DatasetInputShape::from).collect(),
                model_inputs: data
                    .models_in
                    .iter()
                    .map(|model| ModelLinkShape {
                        model_id: &model.model,
                    })
                    .collect(),
            },
            outputs: OutputsShape {
                model_outputs: data
                    .models_out
                    .iter()
                    .map(|RunModel { model, step }| ModelOutputShape {
                        model_id: model,
                        step: *step,
                    })
                    .collect(),
            },
        }
    }
}

/// An experiment.
#[derive(Serialize)]
pub(super) struct ExperimentShape<'a> {
    experiment_id: String,
    name: &'a str,
    artifact_location: &'a str,
    lifecycle_stage: &'static str,
    last_update_time: i64,
    creation_time: i64,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    tags: Pairs<'a>,
}

impl<'a> From<&'a Experiment> for ExperimentShape<'a> {
    fn from(experiment: &'a Experiment) -> Self {
        Self {
            experiment_id: experiment.id.to_string(),
            name: &experiment.name,
            artifact_location: &experiment.location,
            lifecycle_stage: lifecycle(experiment.is_deleted),
            last_update_time: experiment.updated_at,
            creation_time: experiment.created_at,
            tags: Pairs(&experiment.tags),
        }
    }
}

/// A logged model.
#[derive(Serialize)]
pub(super) struct LoggedModelShape<'a> {
    info: LoggedModelInfo<'a>,
    data: LoggedModelData<'a>,
}

#[derive(Serialize)]
struct LoggedModelInfo<'a> {
    model_id: &'a str,
    experiment_id: String,
    name: &'a str,
    creation_timestamp_ms: i64,
    last_updated_timestamp_ms: i64,
    artifact_uri: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_run_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    tags: Pairs<'a>,
}

#[derive(Serialize)]
struct LoggedModelData<'a> {
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    params: Pairs<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<MetricShape<'a>>,
}

impl<'a> From<&'a LoggedModel> for LoggedModelShape<'a> {
    fn from(model: &'a LoggedModel) -> Self {
        Self {
            info: LoggedModelInfo {
                model_id: &model.id,
                experiment_id: model.experiment.to_string(),
                name: &model.name,
                creation_timestamp_ms: model.created_at,
                last_updated_timestamp_ms: model.updated_at,
                artifact_uri: &model.location,
                status: match model.status {
                    ModelState::Pending => "LOGGED_MODEL_PENDING",
                    ModelState::Ready => "LOGGED_MODEL_READY",
                    ModelState::UploadFailed => "LOGGED_MODEL_UPLOAD_FAILED",
                },
                model_type: model.kind.as_deref(),
                source_run_id: model.source_run.as_deref(),
                tags: Pairs(&model.tags),
            },
            data: LoggedModelData {
                params: Pairs(&model.params),
                metrics: model
                    .metrics
                    .iter()
                    .map(|metric| MetricShape::of_model(metric, &model.id))
                    .collect(),
            },
        }
    }
}

/// A version of a registered model.
#[derive(Serialize)]
pub(super) struct VersionShape<'a> {
    name: &'a str,
    version: String,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_id: &'a str,
    current_stage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    tags: Pairs<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_link: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    aliases: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_params: Option<Params<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_metrics: Option<Vec<MetricShape<'a>>>,
}

/// Parameters of a logged model in a version.
struct Params<'a>(&'a [Pair]);

impl Serialize for Params<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(Some(self.0.len()))?;
        for (name, value) in self.0 {
            all.serialize_element(&ParamShape { name, value })?;
        }
        all.end()
    }
}

struct ParamShape<'a> {
    name: &'a str,
    value: &'a str,
}

impl Serialize for ParamShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("name", self.name)?;
        map.serialize_entry("value", self.value)?;
        map.end()
    }
}

impl<'a> VersionShape<'a> {
    pub(super) fn of(record: &'a VersionRecord, model: Option<&'a LoggedModel>) -> Self {
        let filled = |text: &'a Option<String>| text.as_deref().filter(|text| !text.is_empty());
        Self {
            name: &record.name,
            version: record.version.to_string(),
            creation_timestamp: record.created_at.0.div_euclid(1000),
            last_updated_timestamp: record.updated_at.0.div_euclid(1000),
            user_id: &record.user,
            current_stage: record.stage.as_str(),
            description: filled(&record.description),
            source: &record.source,
            run_id: filled(&record.run_id),
            status: "READY",
            tags: Pairs(&record.tags),
            run_link: filled(&record.run_link),
            aliases: &record.aliases,
            model_id: filled(&record.logged_model),
            model_params: model
                .filter(|model| !model.params.is_empty())
                .map(|model| Params(&model.params)),
            model_metrics: model.filter(|model| !model.metrics.is_empty()).map(|model| {
                model
                    .metrics
                    .iter()
                    .map(|metric| MetricShape::of_model(metric, &model.id))
                    .collect()
            }),
        }
    }
}

/// A registered model.
#[derive(Serialize)]
pub(super) struct ModelShape<'a> {
    name: &'a str,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    latest_versions: Vec<VersionShape<'a>>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    tags: Pairs<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<AliasShape<'a>>,
}

#[derive(Serialize)]
struct AliasShape<'a> {
    alias: &'a str,
    version: String,
}

impl<'a> From<&'a RegisteredModel> for ModelShape<'a> {
    fn from(model: &'a RegisteredModel) -> Self {
        Self {
            name: &model.name,
            creation_timestamp: model.created_at.0.div_euclid(1000),
            last_updated_timestamp: model.updated_at.0.div_euclid(1000),
            description: model.description.as_deref().filter(|text| !text.is_empty()),
            latest_versions: model
                .newest
                .iter()
                .map(|record| VersionShape::of(record, None))
                .collect(),
            tags: Pairs(&model.tags),
            aliases: model
                .aliases
                .iter()
                .map(|(alias, version)| AliasShape {
                    alias,
                    version: version.to_string(),
                })
                .collect(),
        }
    }
}

/// One page of something under its name.
pub(super) struct Page<'a, T> {
    pub(super) name: &'static str,
    pub(super) items: &'a [T],
    pub(super) next: Option<String>,
}

impl<T: Serialize> Serialize for Page<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.items.is_empty() {
            map.serialize_entry(self.name, self.items)?;
        }
        if let Some(next) = &self.next {
            map.serialize_entry("next_page_token", next)?;
        }
        map.end()
    }
}

/// One thing under its name.
pub(super) struct One<T>(pub(super) &'static str, pub(super) T);

impl<T: Serialize> Serialize for One<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, &self.1)?;
        map.end()
    }
}
