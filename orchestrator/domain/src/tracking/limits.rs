//! Numbers that clients rely on.

use super::Refusal;

/// Longest key of a metric, parameter or tag, in characters.
pub const KEY: usize = 250;
/// Longest value of a parameter; longer ones are cut.
pub const PARAM_VALUE: usize = 6_000;
/// Longest value of a run's tag; longer ones are cut.
pub const TAG_VALUE: usize = 8_000;
/// Longest name of an experiment.
pub const EXPERIMENT_NAME: usize = 500;
/// Longest value of an experiment's tag.
pub const EXPERIMENT_TAG_VALUE: usize = 20_000;
/// Longest value of a tag in the model registry.
pub const REGISTRY_TAG_VALUE: usize = 100_000;
/// Longest alias of a model version.
pub const ALIAS: usize = 255;
/// Metrics of one batch.
pub const BATCH_METRICS: usize = 1_000;
/// Parameters of one batch, and as many tags.
pub const BATCH_PARAMS: usize = 100;
/// Metrics, parameters and tags of one batch together.
pub const BATCH_ENTITIES: usize = 1_000;
/// Bytes of one batch.
pub const BATCH_BYTES: usize = 1_000_000;
/// Datasets that one request logs as inputs.
pub const DATASETS: usize = 1_000;

/// Refuses a batch that is too large.
///
/// # Errors
/// With the sentence that names the first limit passed.
pub fn check_batch(metrics: usize, params: usize, tags: usize) -> Result<(), Refusal> {
    for (what, limit, found) in [
        ("metrics", BATCH_METRICS, metrics),
        ("params", BATCH_PARAMS, params),
        ("tags", BATCH_PARAMS, tags),
        (
            "metrics, params, and tags",
            BATCH_ENTITIES,
            metrics + params + tags,
        ),
    ] {
        if found > limit {
            return Err(Refusal::invalid(format!(
                "A batch logging request can contain at most {limit} {what}. Got {found} {what}. Please split up \
                 {what} across multiple requests and try again."
            )));
        }
    }
    Ok(())
}

/// How many results a page may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// Where the request says nothing.
    pub default: i64,
    pub most: i64,
}

impl PageLimit {
    pub const RUNS: Self = Self::of(1_000, 50_000);
    pub const EXPERIMENTS: Self = Self::of(1_000, 50_000);
    pub const MODELS: Self = Self::of(100, 1_000);
    pub const VERSIONS: Self = Self::of(10_000, 200_000);
    pub const LOGGED_MODELS: Self = Self::of(50, 1_000);

    const fn of(default: i64, most: i64) -> Self {
        Self { default, most }
    }

    /// The size of a page, as asked for.
    ///
    /// # Errors
    /// If it is not between 1 and the most.
    pub fn size(self, asked: Option<i64>) -> Result<i64, Refusal> {
        match asked {
            None => Ok(self.default),
            Some(size) if (1..=self.most).contains(&size) => Ok(size),
            Some(size) => Err(Refusal::invalid(format!(
                "Invalid value {size} for parameter 'max_results' supplied. It must be a positive integer between 1 and {}.",
                self.most
            ))),
        }
    }
}
