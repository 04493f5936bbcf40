//! What is logged to runs: metrics, parameters, tags, inputs, outputs.

use super::failure::Failure;
use super::fields::{Fields, missing, wrong};
use super::runs::tags;
use super::shapes::nothing;
use crate::app::Shared;
use axum::body::Bytes;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use trainyard_domain::tracking::{MetricValue, Refusal, limits, name};
use trainyard_store::tracking::{DatasetInput, MetricPoint, NewMetric, Pair, RunModel};

/// A point as a request has it.
#[derive(Debug, Deserialize)]
struct GivenMetric {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    value: Option<GivenNumber>,
    #[serde(default)]
    timestamp: Option<GivenWhole>,
    #[serde(default)]
    step: Option<GivenWhole>,
    #[serde(default)]
    model_id: Option<String>,
    #[serde(default)]
    dataset_name: Option<String>,
    #[serde(default)]
    dataset_digest: Option<String>,
    /// Of one metric alone, not of a batch.
    #[serde(default)]
    run_id: Option<String>,
    #[serde(default)]
    run_uuid: Option<String>,
}

/// A number, or a text that stands for one.
#[derive(Clone, Copy, Debug)]
struct GivenNumber(MetricValue);

/// A whole number, or a text that is one.
#[derive(Clone, Copy, Debug)]
struct GivenWhole(i64);

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = GivenNumber;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<GivenNumber, E> {
        Ok(GivenNumber(MetricValue::new(value)))
    }
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<GivenNumber, E> {
        self.visit_f64(value as f64)
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<GivenNumber, E> {
        self.visit_f64(value as f64)
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<GivenNumber, E> {
        MetricValue::parse(text)
            .map(GivenNumber)
            .ok_or_else(|| E::custom("not a number"))
    }
}

impl<'de> Deserialize<'de> for GivenNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = GivenWhole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<GivenWhole, E> {
        Ok(GivenWhole(value))
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<GivenWhole, E> {
        i64::try_from(value).map(GivenWhole).map_err(E::custom)
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<GivenWhole, E> {
        super::fields::int(&Value::from(value))
            .map(GivenWhole)
            .ok_or_else(|| E::custom("not a whole number"))
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<GivenWhole, E> {
        text.parse().map(GivenWhole).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for GivenWhole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

/// A point that has been checked, and owns its texts.
struct Checked {
    key: String,
    point: MetricPoint,
    model: Option<String>,
    dataset: (Option<String>, Option<String>),
}

impl GivenMetric {
    fn check(self, at: Option<usize>) -> Result<Checked, Failure> {
        let path = |field: &str| match at {
            Some(at) => format!("metrics[{at}].{field}"),
            None => field.to_owned(),
        };
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let key = filled(self.key).ok_or_else(|| missing(&path("key")))?;
        let GivenNumber(value) = self.value.ok_or_else(|| missing(&path("value")))?;
        let GivenWhole(time) = self.timestamp.ok_or_else(|| missing(&path("timestamp")))?;
        name::check_key(&key, &path("name"), "Metric name")?;
        let point = MetricPoint {
            at: time,
            step: self.step.map_or(0, |GivenWhole(step)| step),
            value,
        };
        NewMetric::plain(&key, point).check_time(&path("timestamp"))?;
        Ok(Checked {
            key,
            point,
            model: filled(self.model_id),
            dataset: (filled(self.dataset_name), filled(self.dataset_digest)),
        })
    }
}

impl Checked {
    fn as_new(&self) -> NewMetric<'_> {
        NewMetric {
            key: &self.key,
            point: self.point,
            model: self.model.as_deref(),
            dataset: (self.dataset.0.as_deref(), self.dataset.1.as_deref()),
        }
    }
}

/// One metric. Most requests there are, so they are read straight into what they should be; only what does not
/// fit is looked at field by field.
pub(super) async fn metric(
    app: &Shared,
    bytes: &[u8],
    fields: &(dyn Fn() -> Result<Fields, Failure> + Sync),
) -> Result<Bytes, Failure> {
    let Ok(mut given) = serde_json::from_slice::<GivenMetric>(bytes) else {
        return Err(odd_metric(&fields()?));
    };
    let named = [given.run_id.take(), given.run_uuid.take()];
    let id = named
        .into_iter()
        .flatten()
        .find(|id| !id.is_empty())
        .ok_or_else(|| missing("run_id"))?;
    let metric = given.check(None)?;
    name::check_run_id(&id)?;
    app.track(move |tracking| {
        tracking.log_batch(&id, &[metric.as_new()], &[], &[])?;
        Ok(nothing())
    })
    .await
}

/// What is wrong with a metric that could not be read.
fn odd_metric(fields: &Fields) -> Failure {
    let check = || -> Result<(), Failure> {
        fields.run_id()?;
        fields.required("key")?;
        for (field, is_value) in [("value", true), ("timestamp", false), ("step", false)] {
            let Some(value) = fields.value(field) else {
                if field == "step" {
                    continue;
                }
                return Err(missing(field));
            };
            let fits = match value {
                Value::Number(number) => is_value || number.as_i64().is_some(),
                Value::String(text) if is_value => MetricValue::parse(text).is_some(),
                Value::String(text) => text.parse::<i64>().is_ok(),
                _ => false,
            };
            if !fits {
                return Err(wrong(field, value));
            }
        }
        for field in ["model_id", "dataset_name", "dataset_digest"] {
            fields.text(field)?;
        }
        Ok(())
    };
    check().err().unwrap_or_else(|| missing("run_id"))
}

pub(super) async fn parameter(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.run_id()?.to_owned();
    let key = fields.required("key")?.to_owned();
    let value = fields.text("value")?.unwrap_or_default();
    name::check_run_id(&id)?;
    name::check_key(&key, "key", "Param key")?;
    let pair = [(key, name::cut(value, limits::PARAM_VALUE).to_owned())];
    app.track(move |tracking| {
        tracking.log_params(&id, &pair)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn set_tag(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.run_id()?.to_owned();
    let key = fields.required("key")?.to_owned();
    let value = fields.text("value")?.unwrap_or_default().to_owned();
    let pair = tags(vec![(key, value)], |_| "key".to_owned())?;
    app.track(move |tracking| {
        tracking.tag_run(&id, &pair)?;
        Ok(nothing())
    })
    .await
}

pub(super) async fn delete_tag(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.run_id()?.to_owned();
    let key = fields.required("key")?.to_owned();
    app.track(move |tracking| {
        tracking.untag_run(&id, &key)?;
        Ok(nothing())
    })
    .await
}

/// Many metrics, parameters and tags of a run: all, or none.
pub(super) async fn batch(
    app: &Shared,
    bytes: &[u8],
    fields: &(dyn Fn() -> Result<Fields, Failure> + Sync),
) -> Result<Bytes, Failure> {
    #[derive(Deserialize)]
    struct Given {
        #[serde(default)]
        run_id: Option<String>,
        #[serde(default)]
        metrics: Option<Vec<GivenMetric>>,
        #[serde(default)]
        params: Option<Vec<GivenPair>>,
        #[serde(default)]
        tags: Option<Vec<GivenPair>>,
    }
    #[derive(Deserialize)]
    struct GivenPair {
        #[serde(default)]
        key: Option<String>,
        #[serde(default)]
        value: Option<String>,
    }
    if bytes.len() > limits::BATCH_BYTES {
        return Err(Failure::invalid(format!(
            "Batched logging API requests must be at most {} bytes, got a request of size {}.",
            limits::BATCH_BYTES,
            bytes.len()
        )));
    }
    let Ok(given) = serde_json::from_slice::<Given>(bytes) else {
        return Err(odd_batch(&fields()?));
    };
    let id = given
        .run_id
        .filter(|id| !id.is_empty())
        .ok_or_else(|| missing("run_id"))?;
    let (metrics, params, tagged) = (
        given.metrics.unwrap_or_default(),
        given.params.unwrap_or_default(),
        given.tags.unwrap_or_default(),
    );
    let pairs = |list: Vec<GivenPair>, what: &str| -> Result<Vec<Pair>, Failure> {
        list.into_iter()
            .enumerate()
            .map(|(at, pair)| {
                let key = pair
                    .key
                    .filter(|key| !key.is_empty())
                    .ok_or_else(|| missing(&format!("{what}[{at}].key")))?;
                Ok((key, pair.value.unwrap_or_default()))
            })
            .collect()
    };
    let (params, tagged) = (pairs(params, "params")?, pairs(tagged, "tags")?);
    name::check_run_id(&id)?;
    let sizes = (metrics.len(), params.len(), tagged.len());
    let metrics: Vec<Checked> = metrics
        .into_iter()
        .enumerate()
        .map(|(at, metric)| metric.check(Some(at)))
        .collect::<Result<_, _>>()?;
    let params: Vec<Pair> = params
        .into_iter()
        .enumerate()
        .map(|(at, (key, value))| {
            name::check_key(&key, &format!("params[{at}].key"), "Param key")?;
            Ok((key, name::cut(&value, limits::PARAM_VALUE).to_owned()))
        })
        .collect::<Result<_, Failure>>()?;
    let tagged = tags(tagged, |at| format!("tags[{at}].key"))?;
    limits::check_batch(sizes.0, sizes.1, sizes.2)?;
    check_unique(&params)?;
    app.track(move |tracking| {
        let metrics: Vec<NewMetric<'_>> = metrics.iter().map(Checked::as_new).collect();
        tracking.log_batch(&id, &metrics, &params, &tagged)?;
        Ok(nothing())
    })
    .await
}

fn check_unique(params: &[Pair]) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    let doubles: Vec<String> = params
        .iter()
        .filter(|(key, _)| !seen.insert(key))
        .map(|(key, _)| format!("'{key}'"))
        .collect();
    if doubles.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains only one param value per \
         param key.",
        doubles.join(", ")
    )))
}

/// What is wrong with a batch that could not be read.
fn odd_batch(fields: &Fields) -> Failure {
    let check = || -> Result<(), Failure> {
        fields.required("run_id")?;
        for name in ["metrics", "params", "tags"] {
            let list = fields.list(name)?;
            for (at, entry) in list.iter().enumerate() {
                let needed: &[&str] = if name == "metrics" {
                    &["key", "value", "timestamp"]
                } else {
                    &["key"]
                };
                for field in needed {
                    if matches!(&entry[*field], Value::Null) || entry[*field] == "" {
                        return Err(missing(&format!("{name}[{at}].{field}")));
                    }
                }
            }
            if !list.is_empty() {
                let shown = Value::Array(list.to_vec());
                let fits = list.iter().all(|entry| {
                    entry["key"].is_string()
                        && (name == "metrics" || matches!(entry["value"], Value::String(_) | Value::Null))
                });
                if !fits || name == "metrics" {
                    return Err(wrong(name, &shown));
                }
            }
        }
        Ok(())
    };
    check().err().unwrap_or_else(|| missing("run_id"))
}

/// The history tag of models that clients before 3.0 log.
const MODEL_HISTORY: &str = "mlflow.log-model.history";

/// A model as clients before 3.0 log it: a line in a tag.
pub(super) async fn model(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.run_id()?.to_owned();
    let text = fields.required("model_json")?;
    let model: Value = serde_json::from_str(text)
        .map_err(|_| Failure::invalid(format!("Malformed model info. \n {text} \n is not a valid JSON.")))?;
    let absent: Vec<String> = ["artifact_path", "flavors", "utc_time_created", "run_id"]
        .iter()
        .filter(|field| model.get(**field).is_none())
        .map(|field| format!("'{field}'"))
        .collect();
    if !absent.is_empty() {
        return Err(Failure::invalid(format!(
            "Model json is missing mandatory fields: {{{}}}",
            absent.join(", ")
        )));
    }
    app.track(move |tracking| {
        let before = tracking.run_tag(&id, MODEL_HISTORY)?;
        let mut all: Vec<Value> = before
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        all.push(model.clone());
        let text = Value::Array(all).to_string();
        tracking.tag_run(&id, &[(MODEL_HISTORY.to_owned(), text)])?;
        Ok(nothing())
    })
    .await
}

fn models(fields: &Fields) -> Result<Vec<RunModel>, Failure> {
    fields
        .list("models")?
        .iter()
        .enumerate()
        .map(|(at, model)| {
            let id = model["model_id"]
                .as_str()
                .filter(|id| !id.is_empty())
                .ok_or_else(|| missing(&format!("models[{at}].model_id")))?;
            Ok(RunModel {
                model: id.to_owned(),
                step: super::fields::int(&model["step"]).unwrap_or(0),
            })
        })
        .collect()
}

/// Datasets and models that a run has taken.
pub(super) async fn inputs(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.run_id()?.to_owned();
    let given = fields.list("datasets")?;
    let models = models(fields)?;
    if given.len() > limits::DATASETS {
        return Err(Failure::invalid(format!(
            "A batch logging request can contain at most {} datasets. Got {} datasets.",
            limits::DATASETS,
            given.len()
        )));
    }
    let datasets: Vec<DatasetInput> = given
        .iter()
        .enumerate()
        .map(|(at, input)| dataset(at, input))
        .collect::<Result<_, _>>()?;
    app.track(move |tracking| {
        tracking.log_datasets(&id, &datasets)?;
        tracking.link_models(&id, &models, false)?;
        Ok(nothing())
    })
    .await
}

fn dataset(at: usize, input: &Value) -> Result<DatasetInput, Failure> {
    let of = &input["dataset"];
    if !of.is_object() {
        return Err(missing(&format!("datasets[{at}].dataset")));
    }
    let text = |field: &str| of[field].as_str().map(str::to_owned);
    let needed = |field: &str| {
        text(field)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| missing(&format!("datasets[{at}].dataset.{field}")))
    };
    let bounded = |field: &str, what: &str, limit: usize| -> Result<(), Failure> {
        name::check_length(what, limit, text(field).as_deref().unwrap_or_default()).map_err(Failure::from)
    };
    for (field, limit) in [
        ("name", 500),
        ("digest", 36),
        ("source", 65_535),
        ("schema", 1_048_575),
        ("profile", 16_777_215),
    ] {
        bounded(field, field, limit)?;
    }
    let tags: Vec<Pair> = input["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|tag| {
            let of = |field: &str| tag[field].as_str().unwrap_or_default().to_owned();
            let (key, value) = (of("key"), of("value"));
            if key.is_empty() {
                return Err(missing(&format!("datasets[{at}].tags.key")));
            }
            name::check_length("key", 255, &key)?;
            name::check_length("value", 500, &value)?;
            Ok((key, value))
        })
        .collect::<Result<_, Failure>>()?;
    Ok(DatasetInput {
        name: needed("name")?,
        digest: needed("digest")?,
        source_type: needed("source_type")?,
        source: needed("source")?,
        schema: text("schema"),
        profile: text("profile"),
        tags,
    })
}

/// Models that a run has made.
pub(super) async fn outputs(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.run_id()?.to_owned();
    let models = models(fields)?;
    app.track(move |tracking| {
        tracking.link_models(&id, &models, true)?;
        Ok(nothing())
    })
    .await
}
