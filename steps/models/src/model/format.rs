//! The model file: documented, versioned, never executable.
//!
//! ```text
//! bytes           what
//! 8               magic `TYMODEL\x01`
//! 8               length of the header, u64
//! that many       header: JSON, UTF-8
//! …               arrays, one after the other, in the order of the header's list
//! 32              BLAKE3 hash of everything before it
//! ```
//!
//! All numbers are little-endian. The header names format version, algorithm and parameters,
//! features with their categories, label with its classes, a summary of the training, and for each
//! array its name, type (`f64`, `f32`, `u32`, `i32`, `u8`) and number of entries. Every number that
//! predictions depend on is in an array, so nothing is lost in printing. A reader holds at most a
//! small multiple of the file in memory, and takes nothing on trust: see [`Model::from_bytes`].

mod arrays;
mod trees;

use super::{Algorithm, Body, Label, Model, Task, TrainingSummary};
use crate::boosting::Boosted;
use crate::error::ModelError;
use crate::features::{Feature, FeatureKind};
use crate::linear::Linear;
use crate::linear::encoding::{Encoded, Encoding};
use arrays::{ArrayEntry, ArrayReader, ArrayWriter};
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 8] = b"TYMODEL\x01";
const FORMAT_VERSION: u32 = 1;
const HASH_BYTES: usize = 32;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format_version: u32,
    algorithm: Algorithm,
    features: Vec<Feature>,
    label: Label,
    training: TrainingSummary,
    arrays: Vec<ArrayEntry>,
}

fn wrong(why: impl Into<String>) -> ModelError {
    ModelError::Format(why.into())
}

impl Model {
    /// Media type of [`Model::to_bytes`].
    pub const MEDIA_TYPE: &'static str = "application/vnd.trainyard.model";

    /// The model file. The same model gives the same bytes.
    ///
    /// # Errors
    /// `Format` if the header cannot be written as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let mut arrays = ArrayWriter::default();
        match &self.body {
            Body::Boosted(boosted) => {
                arrays.f64s("base_score", &[boosted.base_score]);
                trees::write(&boosted.trees, &mut arrays);
            }
            Body::Forest(forest) => trees::write(forest, &mut arrays),
            Body::Linear(linear) => write_linear(linear, &mut arrays),
        }
        let header = Header {
            format_version: FORMAT_VERSION,
            algorithm: self.algorithm.clone(),
            features: self.features.clone(),
            label: self.label.clone(),
            training: self.summary.clone(),
            arrays: arrays.entries,
        };
        let header = serde_json::to_vec(&header).map_err(|error| wrong(format!("the header: {error}")))?;
        let mut file = Vec::with_capacity(MAGIC.len() + 8 + header.len() + arrays.bytes.len() + HASH_BYTES);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&(header.len() as u64).to_le_bytes());
        file.extend_from_slice(&header);
        file.extend_from_slice(&arrays.bytes);
        let hash = blake3::hash(&file);
        file.extend_from_slice(hash.as_bytes());
        Ok(file)
    }

    /// Reads a model file. Any bytes give a model or an error, never a panic, and every model it
    /// gives predicts without fault: hash, lengths, references between nodes, features and
    /// categories are checked.
    ///
    /// # Errors
    /// `Format`, saying what is wrong.
    pub fn from_bytes(file: &[u8]) -> Result<Self, ModelError> {
        let Some((magic, rest)) = file.split_first_chunk::<8>() else {
            return Err(wrong("it is shorter than any model"));
        };
        if magic[..7] != MAGIC[..7] {
            return Err(wrong("it does not begin with `TYMODEL`"));
        }
        if magic != MAGIC {
            return Err(wrong(format!(
                "its container version is {}, this program reads {}",
                magic[7], MAGIC[7]
            )));
        }
        let Some((content, hash)) = rest.split_last_chunk::<HASH_BYTES>() else {
            return Err(wrong("it ends too early"));
        };
        if blake3::hash(&file[..file.len() - HASH_BYTES]).as_bytes() != hash {
            return Err(wrong("its hash does not match: it is cut short or damaged"));
        }
        let Some((length, content)) = content.split_first_chunk::<8>() else {
            return Err(wrong("it ends too early"));
        };
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length > content.len() {
            return Err(wrong("its header is longer than the file"));
        }
        let (header, content) = content.split_at(length);
        let version: VersionOnly =
            serde_json::from_slice(header).map_err(|error| wrong(format!("its header: {error}")))?;
        if version.format_version != FORMAT_VERSION {
            return Err(wrong(format!(
                "its format version is {}, this program reads {FORMAT_VERSION}",
                version.format_version
            )));
        }
        let header: Header =
            serde_json::from_slice(header).map_err(|error| wrong(format!("its header: {error}")))?;
        check_features(&header.features)?;
        let mut arrays = ArrayReader::new(&header.arrays, content)?;
        let body = match &header.algorithm {
            Algorithm::GradientBoosting(_) => {
                let base_score = one(&arrays.finite_f64s("base_score")?)?;
                Body::Boosted(Boosted {
                    base_score,
                    trees: trees::read(&mut arrays, &header.features)?,
                })
            }
            Algorithm::RandomForest(_) | Algorithm::DecisionTree(_) => {
                Body::Forest(trees::read(&mut arrays, &header.features)?)
            }
            Algorithm::LogisticRegression(_) => {
                if header.label.task == Task::Regression {
                    return Err(wrong("logistic regression of a number"));
                }
                Body::Linear(read_linear(&mut arrays, &header.features)?)
            }
            Algorithm::LinearRegression(_) => Body::Linear(read_linear(&mut arrays, &header.features)?),
        };
        arrays.finish()?;
        Ok(Self {
            algorithm: header.algorithm,
            features: header.features,
            label: header.label,
            summary: header.training,
            body,
        })
    }
}

/// Read before the rest, so that a later version is named as such.
#[derive(Deserialize)]
struct VersionOnly {
    format_version: u32,
}

fn one(values: &[f64]) -> Result<f64, ModelError> {
    match values {
        [value] => Ok(*value),
        _ => Err(wrong("an array of one number has another length")),
    }
}

fn check_features(features: &[Feature]) -> Result<(), ModelError> {
    if features.is_empty() {
        return Err(wrong("it has no features"));
    }
    for feature in features {
        if let FeatureKind::Categorical { categories } = &feature.kind
            && !categories.windows(2).all(|pair| pair[0] < pair[1])
        {
            return Err(wrong(format!(
                "the categories of `{}` are not sorted",
                feature.name
            )));
        }
    }
    Ok(())
}

fn write_linear(linear: &Linear, arrays: &mut ArrayWriter) {
    let (mut means, mut scales, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for feature in &linear.encoding.features {
        let (mean, scale, flag) = match feature {
            Encoded::Number {
                mean,
                scale,
                indicator,
            } => (*mean, *scale, *indicator),
            Encoded::OneHot { missing, .. } => (0.0, 0.0, *missing),
        };
        means.push(mean);
        scales.push(scale);
        missing.push(u8::from(flag));
    }
    arrays.f64s("mean", &means);
    arrays.f64s("scale", &scales);
    arrays.u8s("has_missing", &missing);
    arrays.f64s("intercept", &[linear.intercept]);
    arrays.f64s("weight", &linear.weights);
}

fn read_linear(arrays: &mut ArrayReader<'_>, features: &[Feature]) -> Result<Linear, ModelError> {
    let means = arrays.finite_f64s("mean")?;
    let scales = arrays.finite_f64s("scale")?;
    let missing = arrays.u8s("has_missing")?;
    let intercept = one(&arrays.finite_f64s("intercept")?)?;
    let weights = arrays.finite_f64s("weight")?;
    if [means.len(), scales.len(), missing.len()] != [features.len(); 3] {
        return Err(wrong("its encoding is not as long as its list of features"));
    }
    let features = features
        .iter()
        .zip(means.into_iter().zip(scales).zip(missing))
        .map(|(feature, ((mean, scale), flag))| match &feature.kind {
            FeatureKind::Numeric => Encoded::Number {
                mean,
                scale,
                indicator: flag == 1,
            },
            FeatureKind::Categorical { categories } => Encoded::OneHot {
                categories: categories.len(),
                missing: flag == 1,
            },
        })
        .collect();
    let encoding = Encoding { features };
    if encoding.width() != weights.len() {
        return Err(wrong("its weights do not match its features"));
    }
    Ok(Linear {
        encoding,
        intercept,
        weights,
    })
}
