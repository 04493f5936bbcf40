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

pub(crate) use arrays::{ArrayReader, ArrayWriter};

use super::{Body, Fitted, Model, Shape, TrainingSummary};
use crate::algorithm::Algorithm;
use crate::calibration::{Calibrated, Calibration};
use crate::error::ModelError;
use crate::features::{Feature, FeatureKind};
use crate::preprocessing::{Encode, Encoding, Impute, Preprocessing, Scale, Unseen};
use crate::task::{Label, Task};
use arrays::ArrayEntry;
use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 8] = b"TYMODEL\x01";
const FORMAT_VERSION: u32 = 2;
const HASH_BYTES: usize = 32;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format_version: u32,
    algorithm: Algorithm,
    /// Of algorithms that have it; absent in version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preprocessing: Option<Preprocessing>,
    /// Of models whose probabilities were calibrated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calibration: Option<Calibration>,
    features: Vec<Feature>,
    label: Label,
    training: TrainingSummary,
    arrays: Vec<ArrayEntry>,
}

pub(crate) fn wrong(why: impl Into<String>) -> ModelError {
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
        if let Some(encoding) = self.encoding() {
            encoding.write(&mut arrays);
        }
        self.body.learned().write(&mut arrays);
        let header = Header {
            format_version: FORMAT_VERSION,
            algorithm: self.algorithm.clone(),
            preprocessing: self.preprocessing().cloned(),
            calibration: self.calibration(),
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
        if !(1..=FORMAT_VERSION).contains(&version.format_version) {
            return Err(wrong(format!(
                "its format version is {}, this program reads 1 to {FORMAT_VERSION}",
                version.format_version
            )));
        }
        let header: Header =
            serde_json::from_slice(header).map_err(|error| wrong(format!("its header: {error}")))?;
        check_features(&header.features)?;
        check_task(&header.label.task)?;
        let mut arrays = ArrayReader::new(&header.arrays, content)?;
        let preprocessing = read_preprocessing(&header, &mut arrays)?;
        let shape = Shape {
            version: header.format_version,
            features: &header.features,
            task: &header.label.task,
            encoding: preprocessing.as_ref().map(|fitted| &fitted.encoding),
        };
        let mut body = Body::read(&header.algorithm, &shape, &mut arrays)?;
        if header.calibration.is_some() {
            if header.label.task.classes().is_empty() {
                return Err(wrong("calibrated probabilities without classes"));
            }
            body = Calibrated::read(body, true, header.label.task.outputs(), &mut arrays)?;
        }
        arrays.finish()?;
        Ok(Self {
            algorithm: header.algorithm,
            features: header.features,
            label: header.label,
            summary: header.training,
            preprocessing,
            calibration: header.calibration,
            body,
        })
    }
}

/// Read before the rest, so that a later version is named as such.
#[derive(Deserialize)]
struct VersionOnly {
    format_version: u32,
}

pub(crate) fn one(values: &[f64]) -> Result<f64, ModelError> {
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

fn check_task(task: &Task) -> Result<(), ModelError> {
    match task {
        Task::Multiclass { classes } if classes.len() < 2 => Err(wrong("it has fewer than two classes")),
        _ => Ok(()),
    }
}

fn read_preprocessing(header: &Header, arrays: &mut ArrayReader<'_>) -> Result<Option<Fitted>, ModelError> {
    if !header.algorithm.is_preprocessed() {
        return match header.preprocessing {
            None => Ok(None),
            Some(_) => Err(wrong("its algorithm has no preprocessing, but its header has")),
        };
    }
    if header.format_version == 1 {
        return Ok(Some(Fitted {
            asked: Preprocessing {
                impute: Impute::Mean,
                missing_indicator: true,
                scale: Scale::Standard,
                encode: Encode::OneHot,
                unseen: Unseen::AsMissing,
            },
            encoding: Encoding::read_version_1(&header.features, arrays)?,
        }));
    }
    let asked = header
        .preprocessing
        .clone()
        .ok_or_else(|| wrong("its preprocessing is missing"))?;
    let encoding = Encoding::read(&header.features, asked.unseen, arrays)?;
    Ok(Some(Fitted { asked, encoding }))
}
